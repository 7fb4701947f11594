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
  return new Reader(source, steps);
}

/** @param merge makes one of the unread value and the new one; by default the new one wins */
export function latest<Value>(merge: (unread: Value, next: Value) => Value = (_, next) => next): Latest<Value> {
  return new QueueOfOne(merge);
}

// Classes, as thousands of subscriptions wait at a time: closures would be several for each of them.

class Reader<Step> implements AsyncGenerator<Step, void, undefined> {
  readonly #source: { end(): void };
  readonly #steps: AsyncGenerator<Step, void, undefined>;

  constructor(source: { end(): void }, steps: AsyncGenerator<Step, void, undefined>) {
    this.#source = source;
    this.#steps = steps;
  }

  next(): Promise<IteratorResult<Step, void>> {
    return this.#steps.next();
  }

  return(): Promise<IteratorResult<Step, void>> {
    this.#source.end();
    return this.#steps.return();
  }

  throw(error: unknown): Promise<IteratorResult<Step, void>> {
    this.#source.end();
    return this.#steps.throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

class QueueOfOne<Value> implements Latest<Value> {
  readonly #merge: (unread: Value, next: Value) => Value;
  #unread: { value: Value } | undefined;
  #isEnded = false;
  #wake: (() => void) | undefined;

  constructor(merge: (unread: Value, next: Value) => Value) {
    this.#merge = merge;
  }

  push(value: Value): void {
    if (this.#isEnded) return;
    this.#unread = { value: this.#unread === undefined ? value : this.#merge(this.#unread.value, value) };
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<Value, undefined>> {
    while (this.#unread === undefined && !this.#isEnded) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#unread === undefined) return { done: true, value: undefined };
    const { value } = this.#unread;
    this.#unread = undefined;
    return { done: false, value };
  }

  return(): Promise<IteratorResult<Value, undefined>> {
    this.#unread = undefined;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
