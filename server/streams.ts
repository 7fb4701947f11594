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
      const giveBack = currentRequest() === undefined ? nothing : take(viewer);
      return {
        onSubscribeResult({ result, setResult }) {
          if (Symbol.asyncIterator in result)
            setResult(new WatchedResults(result as AsyncIterable<ExecutionResult>, keyWatch, viewer, giveBack));
          else giveBack();
        },
        onSubscribeError: giveBack,
      };
    },
  };
}

/**
 * The same results, until the key is no longer good: then one error that says so, and the end. (A generator would not end while it waits;
 * and a class, as thousands of agents follow their signals.)
 */
class WatchedResults implements Results {
  readonly #results: AsyncIterator<ExecutionResult>;
  readonly #unfollow: () => void;
  readonly #giveBack: () => void;
  #why: KeyEnd | undefined;
  #isOver = false;

  constructor(source: AsyncIterable<ExecutionResult>, keyWatch: KeyWatch, viewer: Viewer, giveBack: () => void) {
    this.#results = source[Symbol.asyncIterator]();
    this.#giveBack = giveBack;
    this.#unfollow = keyWatch.follow(viewer, (why) => {
      this.#why = why;
      // A step that is awaited ends with that; what it brings all the same is not told.
      void this.#results.return?.().catch(() => undefined);
    });
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#isOver) return DONE;
    const step = await this.#results.next().catch((error: unknown) => {
      this.#end();
      throw error;
    });
    if (this.#why === undefined && step.done !== true) return { done: false, value: step.value };
    this.#end();
    return this.#why === undefined ? DONE : { done: false, value: { errors: [refusal(this.#why)] } };
  }

  async return(): Promise<typeof DONE> {
    this.#end();
    await this.#results.return?.();
    return DONE;
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #end(): void {
    this.#isOver = true;
    this.#unfollow();
    this.#giveBack();
  }
}

const DONE = { done: true, value: undefined } as const;

function nothing(): void {}

function refusal(why: KeyEnd): GraphQLError {
  return new GraphQLError(endMessages[why], { extensions: { code: 'FORBIDDEN' } });
}
