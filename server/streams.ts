import { GraphQLError, type ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { endMessages, type KeyEnd, type KeyWatch } from '../core/accounts/key-watch.ts';
import type { Viewer } from '../core/accounts/keys.ts';
import { RateLimitedError } from '../core/errors.ts';
import { createPlaces } from '../lib/places.ts';
import type { Context } from '../schema/index.ts';
import { exceeded, type Limits } from './limits.ts';
import { currentRequest } from './requests.ts';

type Results = AsyncGenerator<ExecutionResult, void, undefined>;

/**
 * Subscriptions end with the key that they were begun with, over whatever they are carried; those over server-sent events are
 * counted by key. (Those on a socket are counted there, and end with it.)
 */
export function watchedStreams(keyWatch: KeyWatch, limits: Limits): Plugin<Context> {
  const places = createPlaces(limits.KELPIE_MAX_STREAMS_PER_KEY);
  const take = ({ keyId }: Viewer): (() => void) => {
    const giveBack = places.take(keyId);
    if (giveBack !== undefined) return giveBack;
    throw new RateLimitedError(exceeded(limits, 'KELPIE_MAX_STREAMS_PER_KEY', 'more'), 1);
  };
  return {
    onSubscribe({ args }) {
      const { viewer } = args.contextValue;
      // Before it begins: what was begun would have to be ended again.
      const giveBack = currentRequest() === undefined ? () => undefined : take(viewer);
      return {
        onSubscribeResult({ result, setResult }) {
          if (Symbol.asyncIterator in result)
            setResult(watched(result as AsyncIterable<ExecutionResult>, keyWatch, viewer, giveBack));
          else giveBack();
        },
        onSubscribeError: giveBack,
      };
    },
  };
}

/** The same results, until the key is no longer good: then one error that says so, and the end. */
function watched(
  source: AsyncIterable<ExecutionResult>,
  keyWatch: KeyWatch,
  viewer: Viewer,
  giveBack: () => void,
): Results {
  const results = source[Symbol.asyncIterator]();
  const state: { why?: KeyEnd; isOver: boolean } = { isOver: false };
  const unfollow = keyWatch.follow(viewer, (why) => {
    state.why = why;
    // A step that is awaited ends with that; what it brings all the same is not told.
    void results.return?.().catch(() => undefined);
  });
  const end = (): void => {
    state.isOver = true;
    unfollow();
    giveBack();
  };
  async function next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (state.isOver) return DONE;
    const step = await results.next().catch((error: unknown) => {
      end();
      throw error;
    });
    if (state.why === undefined && step.done !== true) return { done: false, value: step.value };
    end();
    return state.why === undefined ? DONE : { done: false, value: { errors: [refusal(state.why)] } };
  }
  async function finish(): Promise<typeof DONE> {
    end();
    await results.return?.();
    return DONE;
  }
  return iterator(next, finish);
}

const DONE = { done: true, value: undefined } as const;

/** A generator would not end while it waits. */
function iterator(next: Results['next'], finish: () => Promise<typeof DONE>): Results {
  return {
    next,
    return: finish,
    async throw(error) {
      await finish();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await finish();
    },
  };
}

function refusal(why: KeyEnd): GraphQLError {
  return new GraphQLError(endMessages[why], { extensions: { code: 'FORBIDDEN' } });
}
