import {
  getOperationAST,
  Kind,
  OperationTypeNode,
  type ExecutionArgs,
  type ExecutionResult,
  type OperationDefinitionNode,
} from 'graphql';
import { LimitExceededError } from '../core/errors.ts';
import { asAsker, refusalToTell, toldSoFar, type Asker } from '../core/fair-share.ts';
import { publicError, type Context } from '../schema/index.ts';
import { exceeded, type Limits } from './limits.ts';
import { measure } from './measure.ts';
import { isAgents } from './report-lease.ts';

/** Who asks for an operation. */
export function askerOf({ viewer: { accountId, keyId }, gone }: Context): Asker {
  return { accountId, keyId, gone };
}

/** What a mutation has stored is read back, in a form that may be longer than the body that brought it. */
export function readsWithin(limits: Limits, asked: Operation): Asker['reads'] {
  const limit = 'KELPIE_MAX_READ_BYTES';
  const most = limits[limit] + (isMutation(asked) ? 2 * limits.KELPIE_MAX_BODY_BYTES : 0);
  const tooMuch = () => new LimitExceededError(exceeded(limits, limit, 'more'), limit, limits[limit]);
  return { most, tooMuch };
}

export function isMutation({ document, operationName }: Operation): boolean {
  return getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION;
}

type Operation = Pick<ExecutionArgs, 'document' | 'operationName' | 'variableValues'>;

type Result = ExecutionResult | Promise<ExecutionResult>;

/** Executes something for an asker, who is told nothing else when it would be told too much: not where that was, which may be everywhere. */
export function asCounted(asker: Asker, execute: () => Result): Result {
  return asAsker(asker, () => {
    const result = execute();
    return result instanceof Promise ? result.then(unlessRefused) : unlessRefused(result);
  });
}

const sizes = new WeakMap<ExecutionResult, number>();

/** How long a result of `asCounted` is about, in characters. */
export function sizeOfResult(result: ExecutionResult): number {
  return sizes.get(result) ?? 0;
}

function unlessRefused(result: ExecutionResult): ExecutionResult {
  const refusal = refusalToTell();
  const shown = refusal === undefined ? undefined : publicError(refusal);
  if (shown !== undefined) return { errors: [shown] };
  sizes.set(result, toldSoFar());
  return result;
}

/** What an agent says, and shows nothing that has to be read page by page; or asks, to know whether anybody hears it. */
export function isWork({ document, operationName, variableValues }: Operation): boolean {
  const operation = getOperationAST(document, operationName);
  if (operation == null) return false;
  if (asksWhoItIs(operation)) return true;
  return isAgents(operation) && measure(document, operation, variableValues ?? {}).nodes === 0;
}

/** For what its credentials have told already. */
function asksWhoItIs({ operation, selectionSet: { selections } }: OperationDefinitionNode): boolean {
  const [viewer, ...more] = selections;
  if (operation !== OperationTypeNode.QUERY || more.length > 0) return false;
  if (viewer?.kind !== Kind.FIELD || viewer.name.value !== 'viewer') return false;
  return (viewer.selectionSet?.selections ?? []).every(
    (node) => node.kind === Kind.FIELD && KNOWN.has(node.name.value),
  );
}

const KNOWN = new Set(['__typename', 'accountId', 'role']);
