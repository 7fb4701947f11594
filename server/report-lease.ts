import { Kind, OperationTypeNode, parse, type DocumentNode } from 'graphql';
import { z } from 'zod';
import type { NamedLease } from '../core/leases/own.ts';

/** The mutations that keep a job, and that tell how its attempt ended. */
const REPORTS = ['heartbeat', 'completeAttempt', 'failAttempt', 'releaseAttempt'];
/** An agent's are shorter. */
const MAX_CHARACTERS = 2_000;

/**
 * Names the attempt that an operation is about, where it is nothing but a heartbeat or a report of an ending, written as agents write
 * them: with their input in the variable `input`. Undefined for everything else.
 * @param operation what came with a request, before anything of it is looked at
 */
export function leaseOfReport(operation: unknown): NamedLease | undefined {
  const { data } = report.safeParse(operation);
  return data !== undefined && isReport(data.query) ? data.variables.input : undefined;
}

const attempt = z.object({ jobId: z.uuid().toLowerCase(), attempt: z.int() });
const report = z.object({ query: z.string().max(MAX_CHARACTERS), variables: z.object({ input: attempt }) });

function isReport(query: string): boolean {
  const [definition, ...others] = parsed(query)?.definitions ?? [];
  if (definition?.kind !== Kind.OPERATION_DEFINITION || others.length > 0) return false;
  if (definition.operation !== OperationTypeNode.MUTATION) return false;
  const [field, ...more] = definition.selectionSet.selections;
  if (field?.kind !== Kind.FIELD || more.length > 0 || !REPORTS.includes(field.name.value)) return false;
  const [argument] = field.arguments ?? [];
  return argument?.value.kind === Kind.VARIABLE && argument.value.name.value === 'input';
}

/** What cannot be read is told where it is to be run. */
function parsed(query: string): DocumentNode | undefined {
  try {
    return parse(query, { noLocation: true });
  } catch {
    return undefined;
  }
}
