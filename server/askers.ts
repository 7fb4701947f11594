import { getOperationAST, OperationTypeNode, type ExecutionArgs, type ExecutionResult } from 'graphql';
import { LimitExceededError } from '../core/errors.ts';
import { asAsker, refusalToTell, type Asker } from '../core/fair-share.ts';
import { publicError, type Context } from '../schema/index.ts';
import { exceeded, type Limits } from './limits.ts';
import { measure } from './measure.ts';
import { isAgents } from './report-lease.ts';

/** Who asks for an operation. */
export function askerOf({ viewer: { accountId, keyId }, gone }: Context): Asker {
  return { accountId, keyId, gone: () => gone };
}

/** What a mutation has stored is read back, in a form that may be longer than the body that brought it. */
export function readsWithin(limits: Limits, { document, operationName }: Operation): Asker['reads'] {
  const limit = 'KELPIE_MAX_READ_BYTES';
  const isMutation = getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION;
  const most = limits[limit] + (isMutation ? 2 * limits.KELPIE_MAX_BODY_BYTES : 0);
  const tooMuch = () => new LimitExceededError(exceeded(limits, limit, 'more'), limit, limits[limit]);
  return { most, tooMuch };
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

function unlessRefused(result: ExecutionResult): ExecutionResult {
  const refusal = refusalToTell();
  const shown = refusal === undefined ? undefined : publicError(refusal);
  return shown === undefined ? result : { errors: [shown] };
}

/** What an agent says, and shows nothing that has to be read page by page. */
export function isWork({ document, operationName, variableValues }: Operation): boolean {
  const operation = getOperationAST(document, operationName);
  return operation != null && isAgents(operation) && measure(document, operation, variableValues ?? {}).nodes === 0;
}
