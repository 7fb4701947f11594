/**
 * A queue of one: `push` overwrites what nobody has read yet. A slow reader sees the latest state and costs the memory of one
 * value, however fast the writer is.
 */
export interface Latest<Value> extends AsyncIterableIterator<Value, undefined> {
  push(value: Value): void;
  /** Ends the reader's loop after what was pushed before. */
  end(): void;
}

/**
 * A generator that reads `source`, made to end as soon as its reader has had enough. Left alone, a generator's `return` waits
 * for the step it is in, here for a next value that may never come, and its `finally` would wait with it.
 */
export function readerOf<Step>(
  source: { end(): void },
  steps: AsyncGenerator<Step, void, undefined>,
): AsyncGenerator<Step, void, undefined> {
  const finish = (): ReturnType<typeof steps.return> => {
    source.end();
    return steps.return();
  };
  return {
    next: () => steps.next(),
    return: finish,
    throw: (error) => {
      source.end();
      return steps.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: async () => {
      await finish();
    },
  };
}

/** @param merge makes one of the unread value and the new one; by default the new one wins */
export function latest<Value>(merge: (unread: Value, next: Value) => Value = (_, next) => next): Latest<Value> {
  let unread: { value: Value } | undefined;
  let ended = false;
  let wake: (() => void) | undefined;

  const next = async (): Promise<IteratorResult<Value, undefined>> => {
    while (unread === undefined && !ended) {
      await new Promise<void>((resolve) => (wake = resolve));
    }
    if (unread === undefined) return { done: true, value: undefined };
    const { value } = unread;
    unread = undefined;
    return { done: false, value };
  };
  const end = (): void => {
    ended = true;
    wake?.();
  };

  return {
    push(value) {
      if (ended) return;
      unread = { value: unread === undefined ? value : merge(unread.value, value) };
      wake?.();
    },
    end,
    next,
    return() {
      unread = undefined;
      end();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
