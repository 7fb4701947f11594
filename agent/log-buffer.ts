export type OutputStream = 'STDOUT' | 'STDERR';

/** What one read of a pipe gave. */
export interface Output {
  stream: OutputStream;
  /** When it came: milliseconds from the beginning of the attempt. */
  afterMillis: number;
  bytes: Buffer;
}

/** Output that did not fit, between what came before and what comes after it. */
export interface Dropped {
  droppedBytes: number;
}

/**
 * What a command has written and nobody has taken yet, in bounded memory. When it is full, the middle goes: the first half
 * stays, and the last half is always of what came last. Nothing is looked into before it is taken, so a flood costs next to nothing.
 */
export interface LogBuffer {
  push(output: Output): void;
  /** The oldest, or a gap where something was dropped; undefined when there is nothing. */
  take(): Output | Dropped | undefined;
  /** Bytes that wait, with what keeping them costs. */
  readonly size: number;
}

/** What a small buffer costs besides its bytes: a command that writes single characters must not take a hundred times the bound. */
const OVERHEAD_BYTES = 256;

export function createLogBuffer(capacity: number): LogBuffer {
  const half = capacity / 2;
  let first = createQueue();
  let last = createQueue();
  let droppedBytes = 0;

  return {
    push(output) {
      if (last.size === 0 && droppedBytes === 0 && first.size + costOf(output) <= half) {
        first.push(output);
        return;
      }
      last.push(output);
      while (last.size > half) droppedBytes += last.shift()?.bytes.length ?? 0;
    },
    take() {
      const oldest = first.shift();
      if (oldest !== undefined) return oldest;
      if (droppedBytes > 0) {
        const gap = { droppedBytes };
        droppedBytes = 0;
        return gap;
      }
      // What came last is what comes first now, and nothing is missing in between.
      [first, last] = [last, first];
      return first.shift();
    },
    get size() {
      return first.size + last.size;
    },
  };
}

/** Shifting an array moves all of it, so what was taken leaves its place empty until such places are half of everything. */
function createQueue() {
  let items: (Output | undefined)[] = [];
  let taken = 0;
  let size = 0;
  return {
    push(output: Output): void {
      items.push(output);
      size += costOf(output);
    },
    shift(): Output | undefined {
      const output = items[taken];
      if (output === undefined) return undefined;
      items[taken++] = undefined;
      size -= costOf(output);
      if (taken * 2 >= items.length) {
        items = items.slice(taken);
        taken = 0;
      }
      return output;
    },
    get size() {
      return size;
    },
  };
}

function costOf({ bytes }: Output): number {
  return bytes.length + OVERHEAD_BYTES;
}
