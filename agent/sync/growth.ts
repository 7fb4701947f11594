import type { FileHandle } from 'node:fs/promises';
import { createReading, type Reading } from './digests.ts';
import { partSizeOf } from './part-size.ts';
import { type Observed, observedOf } from './scan.ts';

/** The first `length` bytes of a file as they once were. */
export interface Witness {
  length: number;
  digest: string;
  /** Of the object that was made of just these bytes, if one was. */
  etag?: string;
}

/** What is published of a growing file: so much of it as `state` has. */
export interface Prefix {
  state: Observed;
  digest: string;
}

/** Watches a growing file while a prefix of it is published. */
export interface Growth {
  /**
   * Decides how much is published, once. Undefined when the file does not begin any more with what was seen, or shrinks. From then
   * on it is read a second time.
   */
  bind(): Promise<Prefix | undefined>;
  /** Whether the prefix still reads the same, after it was sent. */
  isSame(): Promise<boolean>;
  /** Resolves when nothing is being read, after the signal was aborted. */
  settled(): Promise<void>;
}

export interface GrowthParts {
  handle: FileHandle;
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

export function watchGrowth({ handle, opened, witness, copied, signal }: GrowthParts): Growth {
  const first = createReading(handle, signal);
  const witnessed = first.upTo(witness.length);
  witnessed.catch(() => undefined);
  let binding: Promise<Prefix | undefined> | undefined;
  let again: { reading: Reading; begun: Promise<unknown> } | undefined;

  async function bindNow(): Promise<Prefix | undefined> {
    if ((await witnessed) !== witness.digest) return undefined;
    const state = copied > 0 ? laterOf(opened, observedOf(await handle.stat({ bigint: true }))) : opened;
    const digest = await first.upTo(state.size);
    if (digest === undefined) return undefined;
    // Beside the sending of the rest, which is read again after that.
    again = beginAgain();
    return { state, digest };
  }
  function beginAgain() {
    const reading = createReading(handle, signal);
    const begun = reading.upTo(copied);
    begun.catch(() => undefined);
    return { reading, begun };
  }
  return {
    bind: () => (binding ??= bindNow()),
    async isSame() {
      const prefix = await binding;
      if (prefix === undefined) return false;
      // Who asks once more has sent it once more.
      const { reading, begun } = again ?? beginAgain();
      again = undefined;
      await begun;
      return (await reading.upTo(prefix.state.size)) === prefix.digest;
    },
    async settled() {
      await Promise.allSettled([witnessed, binding]);
      await Promise.allSettled([again?.begun]);
    },
  };
}

/** Parts are of one size: where more bytes would need larger ones, they come with the next publication. */
function laterOf(opened: Observed, now: Observed): Observed {
  return now.size > opened.size && partSizeOf(now.size) === partSizeOf(opened.size) ? now : opened;
}
