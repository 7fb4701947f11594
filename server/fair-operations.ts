import { getOperationAST, GraphQLError, OperationTypeNode, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LimitExceededError, RateLimitedError } from '../core/errors.ts';
import { asAsker, type Asker } from '../core/fair-share.ts';
import { createFairSlots } from '../lib/fair-slots.ts';
import { withPatience } from '../lib/patience.ts';
import { publicError, type Context } from '../schema/index.ts';
import { exceeded, type Limits } from './limits.ts';
import { measure } from './measure.ts';
import { isAgents } from './report-lease.ts';

/** So many operations are executed at a time: what they have read is in memory until they are answered. */
const AT_ONCE = 16;
/** Of one account. */
const MOST_OF_ACCOUNT = 8;
/** So many may wait with one key: what its rate lets in at once. */
const MOST_WAITING = 1_000;
const PATIENCE_MS = 10_000;

/**
 * Whoever asks for something by GraphQL, over whatever it comes, takes turns with others, account by account and key by key: for a place to be
 * executed in, and then for the database. An operation that is nothing but an agent's needs no place.
 * @param options.patienceMs how long an operation may wait for its place (10,000)
 */
export function fairOperations(
  limits: Limits,
  { patienceMs = PATIENCE_MS }: { patienceMs?: number } = {},
): Plugin<Context> {
  const places = createFairSlots({
    atOnce: AT_ONCE,
    mostOfGroup: MOST_OF_ACCOUNT,
    mostWaiting: MOST_WAITING,
    crowded: () => tooMany(`Expected at most ${MOST_WAITING} operations of one key to wait, got more`),
  });
  const tooLate = () => tooMany(`Others were before this one for ${patienceMs / 1_000} s`);
  const inTurn = async ({ viewer, gone }: Context, run: () => Promise<ExecutionResult>): Promise<ExecutionResult> => {
    const lane = { group: viewer.accountId, name: viewer.keyId };
    let giveBack: () => void;
    try {
      giveBack = await withPatience({ ms: patienceMs, tooLate, gone }, (signal) => places.take(lane, signal));
    } catch (error) {
      // Thrown, it would end a socket and all the others on it.
      return { errors: [publicError(error) ?? new GraphQLError('Who asked has hung up before it was executed')] };
    }
    return run().finally(giveBack);
  };
  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      const context = args.contextValue;
      const asker = { ...askerOf(context), reads: readsWithin(limits, args) };
      const run = async (given: ExecutionArgs): Promise<ExecutionResult> =>
        asAsker(asker, () => executeFn(given) as Promise<ExecutionResult>);
      setExecuteFn(isWork(args) ? run : (given: ExecutionArgs) => inTurn(context, () => run(given)));
    },
    onSubscribe({ args, subscribeFn, setSubscribeFn }) {
      if (isWork(args)) return undefined;
      const asker = askerOf(args.contextValue);
      setSubscribeFn((given: ExecutionArgs) => asAsker(asker, () => subscribeFn(given) as unknown));
      return {
        onSubscribeResult({ result, setResult }) {
          if (Symbol.asyncIterator in result) setResult(askedBy(asker, result as AsyncGenerator<ExecutionResult>));
        },
      };
    },
  };
}

function askerOf({ viewer: { accountId, keyId }, gone }: Context): Asker {
  return { accountId, keyId, gone: () => gone };
}

/** What a mutation has stored is read back, in a form that may be longer than the body that brought it. */
function readsWithin(limits: Limits, { document, operationName }: ExecutionArgs): Asker['reads'] {
  const limit = 'KELPIE_MAX_READ_BYTES';
  const isMutation = getOperationAST(document, operationName)?.operation === OperationTypeNode.MUTATION;
  const most = limits[limit] + (isMutation ? 2 * limits.KELPIE_MAX_BODY_BYTES : 0);
  const tooMuch = () => new LimitExceededError(exceeded(limits, limit, 'more'), limit, limits[limit]);
  return { most, tooMuch };
}

/** The same steps, each of which is asked for by the asker, whoever's turn it is when it is taken. */
function askedBy(asker: Asker, steps: AsyncGenerator<ExecutionResult>): AsyncGenerator<ExecutionResult> {
  return {
    next: () => asAsker(asker, () => steps.next()),
    return: (value) => steps.return(value),
    throw: (error) => steps.throw(error),
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await steps.return(undefined);
    },
  };
}

function tooMany(why: string): RateLimitedError {
  return new RateLimitedError(`${why}: each account has its turns. Ask again in a moment, and for less at once.`, 1);
}

/** What an agent says, and shows nothing that has to be read page by page. */
function isWork({ document, operationName, variableValues }: ExecutionArgs): boolean {
  const operation = getOperationAST(document, operationName);
  return operation != null && isAgents(operation) && measure(document, operation, variableValues ?? {}).nodes === 0;
}
