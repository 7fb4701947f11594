import type { ExecutionArgs, ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { asAsker, type Asker } from '../core/fair-share.ts';
import type { Context } from '../schema/index.ts';
import { askerOf, asCounted, isMutation, isWork, readsWithin } from './askers.ts';
import type { Limits } from './limits.ts';
import type { ExecutionPlaces } from './execution-places.ts';

/**
 * Whoever asks for something by GraphQL, over whatever it comes, takes turns with others, account by account and key by key: for a place to be
 * executed in, and then for the database. An operation that is nothing but an agent's needs no place. What a subscription tells is
 * executed step by step, as `createFairSteps` has it.
 */
export function fairOperations(limits: Limits, places: ExecutionPlaces): Plugin<Context> {
  return {
    onExecute({ args, executeFn, setExecuteFn }) {
      const asker = { ...askerOf(args.contextValue), reads: readsWithin(limits, args) };
      // What has begun to change something goes on to its end, and is written down, whoever has gone, and whoever else asks.
      const executing: Asker = isMutation(args) ? { ...asker, gone: undefined, isPatient: 'ONCE_BEGUN' } : asker;
      const run = (given: ExecutionArgs) =>
        asCounted(executing, async () => executeFn(given) as Promise<ExecutionResult>);
      setExecuteFn(isWork(args) ? run : (given: ExecutionArgs) => places.hold(asker, () => run(given)));
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
