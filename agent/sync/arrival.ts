import type { Meter } from './meter.ts';

/** What a reader has of the body of an answer. */
export interface IncomingBody {
  /**
   * The bytes, in order, once. Each piece is valid only until the next one is asked for. Where the connection breaks, what has come is
   * handed out before the error. Leaving early breaks the exchange off. `onMoved` is told of bytes as they come.
   */
  pieces(onMoved: Meter): AsyncGenerator<Buffer, void, undefined>;
  /**
   * In place of that: hands everything to `write` at once as it comes, and `write` has done with it when it returns. Resolves when
   * all has come. Rejects where the connection breaks, and with what `write` throws, which breaks the exchange off.
   */
  pour(write: (bytes: Buffer) => void): Promise<void>;
  /** Breaks the exchange off, unless all is here. */
  destroy(): void;
}

export interface ArrivalParts {
  /** Bytes that are to come. */
  size: number;
  /** Whether what comes is handed out at once, in place of whole blocks. */
  isEager: boolean;
  /** There is room again. */
  onRoom: () => void;
  /** The reader wants no more. */
  onGivenUp: () => void;
}

/** A write of more costs hardly more, and a read of less costs as much. */
export const BLOCK_BYTES = 2 ** 19;
/** One is filled while the other is written. */
const BLOCKS = 2;

interface Pouring {
  write: (bytes: Buffer) => void;
  over: PromiseWithResolvers<undefined>;
}

/** For all that is poured: it is empty again before anything else comes. */
let basin: Buffer | undefined;

/** The same, for the connection that it comes by. Memory: two blocks, and a third for what comes encrypted; none where it is poured. */
export class Arrival implements IncomingBody {
  readonly #parts: ArrivalParts;
  /** What is whole, and waits for the reader. */
  readonly #full: { block: Buffer; length: number }[] = [];
  /** What is being filled, and how far. */
  #block: Buffer | undefined;
  #length = 0;
  /** Blocks that are being filled, wait or are with the reader. */
  #lent = 0;
  #spare: Buffer | undefined;
  /** What was last given out to be filled. */
  #room: Buffer | undefined;
  #pouring: Pouring | undefined;
  #left: number;
  #failure: Error | undefined;
  #meter: Meter | undefined;
  #wake: () => void = () => undefined;

  constructor(parts: ArrivalParts) {
    this.#parts = parts;
    this.#left = parts.size;
  }

  /** Bytes that are still to come. */
  get left(): number {
    return this.#left;
  }

  /**
   * Where the next bytes may be put; undefined when the reader has to catch up first, or no more are wanted. It is given out ahead, and the
   * basin to every connection of the thread: that is right only because no other turn comes between a read into it and `filled`.
   */
  room(): Buffer | undefined {
    if (this.#left === 0 || this.#failure !== undefined) return undefined;
    if (this.#pouring !== undefined) {
      basin ??= Buffer.allocUnsafeSlow(BLOCK_BYTES);
      return (this.#room = basin.subarray(0, this.#left));
    }
    if (this.#block === undefined && this.#lent >= BLOCKS) return undefined;
    this.#block ??= this.#nextBlock();
    // Not more than is left of the body: what comes beyond it is found out where it lands.
    return (this.#room = this.#block.subarray(this.#length, this.#length + this.#left));
  }

  /** These were put there. Throws when they lie elsewhere: then they would be another answer's. */
  filled(bytes: Buffer): void {
    if (!isWithin(bytes, this.#room)) throw new Error('bytes of an answer were put where those of another belong');
    if (this.#pouring === undefined) this.#gathered(bytes.length);
    else this.#pour(this.#pouring, bytes);
  }

  #gathered(bytes: number): void {
    this.#left -= bytes;
    this.#length += bytes;
    this.#meter?.(bytes);
    if (this.#parts.isEager || this.#left === 0 || this.#length === this.#block?.length) this.#handOut();
  }

  /** These have come, elsewhere: they are copied. Not more than are left. */
  take(bytes: Buffer): void {
    if (this.#pouring !== undefined) {
      this.#pour(this.#pouring, bytes);
      return;
    }
    for (let taken = 0; taken < bytes.length;) {
      this.#block ??= this.#nextBlock();
      const copied = bytes.copy(this.#block, this.#length, taken);
      taken += copied;
      this.#gathered(copied);
    }
  }

  /** No more will come. */
  fail(error: Error): void {
    if (this.#left === 0) return;
    this.#failure ??= error;
    this.#pouring?.over.reject(this.#failure);
    this.#handOut();
  }

  async pour(write: (bytes: Buffer) => void): Promise<void> {
    const over = Promise.withResolvers<undefined>();
    try {
      if (this.#length > 0) this.#handOut();
      for (const { block, length } of this.#full.splice(0)) write(block.subarray(0, length));
    } catch (error) {
      this.destroy();
      throw error;
    }
    if (this.#left === 0) return;
    if (this.#failure !== undefined) throw this.#failure;
    this.#pouring = { write, over };
    this.#block = undefined;
    // It may have been stopped because both blocks were full.
    this.#parts.onRoom();
    await over.promise;
  }

  #pour({ write, over }: Pouring, bytes: Buffer): void {
    write(bytes);
    this.#left -= bytes.length;
    if (this.#left === 0) over.resolve(undefined);
  }

  async *pieces(onMoved: Meter): AsyncGenerator<Buffer, void, undefined> {
    this.#meter = onMoved;
    onMoved(this.#parts.size - this.#left);
    try {
      for (;;) {
        for (let next = this.#full.shift(); next !== undefined; next = this.#full.shift()) {
          yield next.block.subarray(0, next.length);
          this.#giveBack(next.block);
        }
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#left === 0) break;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      keep(this.#spare);
    } finally {
      this.destroy();
    }
  }

  destroy(): void {
    if (this.#left > 0 && this.#failure === undefined) this.#parts.onGivenUp();
  }

  #nextBlock(): Buffer {
    const next = this.#spare ?? blockOf(this.#left);
    this.#spare = undefined;
    this.#lent += 1;
    return next;
  }

  #handOut(): void {
    if (this.#block !== undefined && this.#length > 0) this.#full.push({ block: this.#block, length: this.#length });
    this.#block = undefined;
    this.#length = 0;
    this.#wake();
  }

  #giveBack(block: Buffer): void {
    keep(this.#spare);
    this.#spare = block;
    this.#lent -= 1;
    if (this.#lent < BLOCKS && this.#left > 0 && this.#failure === undefined) this.#parts.onRoom();
  }
}

function isWithin(bytes: Buffer, room: Buffer | undefined): boolean {
  return bytes.buffer === room?.buffer && bytes.byteOffset === room.byteOffset && bytes.length <= room.length;
}

/**
 * Blocks that nobody has, kept for the next answers: fresh ones would have the garbage collector look at the whole heap again and
 * again. At most 8 MiB.
 */
const unused: Buffer[] = [];
const MOST_UNUSED = 16;

function blockOf(size: number): Buffer {
  if (size < BLOCK_BYTES) return Buffer.allocUnsafeSlow(size);
  return unused.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
}

function keep(block: Buffer | undefined): void {
  if (block?.length === BLOCK_BYTES && unused.length < MOST_UNUSED) unused.push(block);
}
