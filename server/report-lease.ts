import { Kind, OperationTypeNode, parse, type DocumentNode, type OperationDefinitionNode } from 'graphql';
import { z } from 'zod';
import { workFields } from '../schema/index.ts';

/** The mutations that keep a job, and that tell what its command writes and how its attempt ended. */
const REPORTS = ['heartbeat', 'appendLogs', 'completeAttempt', 'failAttempt', 'releaseAttempt'];
/** An agent's are shorter. */
const MAX_CHARACTERS = 2_000;

/**
 * Names the attempt that an operation is about, where it is nothing but a heartbeat or a report, written as agents write
 * them: with their input in the variable `input`. Undefined for everything else.
 * @param operation what came with a request, before anything of it is looked at
 */
export function leaseOfReport(operation: unknown): z.output<typeof attempt> | undefined {
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

/** Whether an operation is one verb of an agent, and nothing besides. */
export function isAgents({ operation, selectionSet }: OperationDefinitionNode): boolean {
  const [field, ...more] = selectionSet.selections;
  if (operation === OperationTypeNode.QUERY || more.length > 0) return false;
  return field?.kind === Kind.FIELD && workFields.has(field.name.value);
}

/** What an operation on a socket is, for counting it: an agent's verb alone, whatever it is; else something that is followed; else neither. */
export type KindOfOperation = 'AGENTS' | 'FOLLOWS' | 'OTHER';

/** The kind of a text that holds nothing but one operation and fragments, and is short; else `OTHER`. */
export function kindOfText(query: string): KindOfOperation {
  if (query.length > MAX_CHARACTERS) return 'OTHER';
  const definitions = parsed(query)?.definitions ?? [];
  const [operation, ...others] = definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  if (operation === undefined || others.length > 0) return 'OTHER';
  if (isAgents(operation)) return 'AGENTS';
  return operation.operation === OperationTypeNode.SUBSCRIPTION ? 'FOLLOWS' : 'OTHER';
}

/** What cannot be read is told where it is to be run. */
function parsed(query: string): DocumentNode | undefined {
  try {
    return parse(query, { noLocation: true });
  } catch {
    return undefined;
  }
}
