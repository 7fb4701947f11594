import { createReading, type Reading } from './digests.ts';
import type { Handle } from './open-file.ts';
import { partSizeOf } from './part-size.ts';
import type { Observed } from './scan.ts';

/** The first `length` bytes of a file as they once were. */
export interface Witness {
  length: number;
  digest: string;
  /** Of the object that was made of just these bytes, if one was. */
  etag?: string;
}

/** Watches a growing file while a prefix of it is published. */
export interface Growth {
  /** Decides how much is published, once: so much of the file as this state has. Undefined when it is not what was seen, or shrinks. */
  bind(): Promise<Observed | undefined>;
  /** The digest of the prefix, once it was sent, if it was the same all the time. */
  digest(): Promise<string | undefined>;
  /** Resolves when nothing is being read, after the signal was aborted. */
  settled(): Promise<void>;
}

export interface GrowthParts {
  handle: Handle;
  /** The file when it was opened. */
  opened: Observed;
  witness: Witness;
  /**
   * So many bytes at its beginning are not read to be sent, because the bucket has them. Where there are any, what came after the file
   * was opened is published, too.
   */
  copied: number;
  signal: AbortSignal;
}

/**
 * What is sent is read before and after that. What is copied is what `witness` saw, and is read once between the two: if it is the same
 * then, and the rest is the same before and after, there was a moment at which the file held all that is published. Two readings of the
 * beginning, which is nearly all of a large file, would show no more.
 */
export function watchGrowth(parts: GrowthParts): Growth {
  const { handle, opened, witness, copied, signal } = parts;
  const underWay = new Set<Promise<unknown>>();
  let binding: Promise<Bound | undefined> | undefined;
  let again: Promise<Again> | undefined;

  const noted = <T>(reading: Promise<T>): Promise<T> => {
    underWay.add(reading);
    reading.then(
      () => underWay.delete(reading),
      () => underWay.delete(reading),
    );
    return reading;
  };
  const bindNow = async (): Promise<Bound | undefined> => {
    const state = copied > 0 ? laterOf(opened, await handle.stat()) : opened;
    const rest = await createReading(handle, signal, copied).upTo(state.size);
    if (rest === undefined) return undefined;
    // Beside the sending of the rest, which is read again after that.
    again = noted(readBeginning(parts));
    return { state, rest };
  };
  return {
    bind: async () => (await (binding ??= noted(bindNow())))?.state,
    async digest() {
      const bound = await binding;
      if (bound === undefined) return undefined;
      // Who asks once more has sent it once more.
      const { reading, seen } = await (again ?? noted(readBeginning(parts)));
      again = undefined;
      if (seen !== witness.digest) return undefined;
      const digest = await noted(reading.upTo(bound.state.size));
      const rest = await noted(createReading(handle, signal, copied).upTo(bound.state.size));
      return rest === bound.rest ? digest : undefined;
    },
    async settled() {
      await Promise.allSettled(underWay);
    },
  };
}

interface Bound {
  state: Observed;
  /** The digest of what is not copied. */
  rest: string;
}

interface Again {
  reading: Reading;
  /** The digest of what the witness saw, as it is now. */
  seen: string | undefined;
}

async function readBeginning({ handle, witness, signal }: GrowthParts): Promise<Again> {
  const reading = createReading(handle, signal);
  return { reading, seen: await reading.upTo(witness.length) };
}

/** Parts are of one size: where more bytes would need larger ones, they come with the next publication. */
function laterOf(opened: Observed, now: Observed): Observed {
  return now.size > opened.size && partSizeOf(now.size) === partSizeOf(opened.size) ? now : opened;
}
