import { messageOf } from '../../lib/errors.ts';
import type { Taken } from './arriving-file.ts';
import type { Address } from './entry.ts';
import { FileFault } from './file-fault.ts';
import { ThreadGone } from './landing.ts';
import type { Meter } from './meter.ts';
import { GaveUp, type RetryPolicy, waitToRetry } from './retry.ts';
import type { IncomingFile } from './s3.ts';

/** One object as it was when its first answer came. */
export interface Received {
  file: Pick<IncomingFile, 'take'>;
  policy: RetryPolicy;
  address: Address;
  etag: string;
  /** Is told of bytes as they arrive. */
  onMoved: Meter;
  signal: AbortSignal;
}

/** The bytes from `start` to before `end`, of which `first` may be the answer that is already here. */
export interface Piece {
  start: number;
  end: number;
  first?: Taken;
}

/** So many bytes arrived since the last failure are a new beginning: the retries count anew. */
const PROGRESS_BYTES = 2 ** 20;

/**
 * Brings a piece into the file. Where the connection breaks it goes on from there, with the rest of the same object. Resolves to what the last
 * answer said. Rejects with GaveUp after all retries, ObjectReplaced when the store has another object by now, ThreadGone and FileFault.
 */
export async function receive(object: Received, piece: Piece): Promise<Taken> {
  const { policy, address, signal } = object;
  let position = piece.start;
  let failures = 0;
  let failedAt = position;
  for (let { first } = piece; ; first = undefined) {
    try {
      const taken = first ?? (await ask(object, position, piece.end));
      position += taken.received;
      if (position === piece.end) return taken;
      const told = `the connection ended after ${position - piece.start} of ${piece.end - piece.start} bytes`;
      throw taken.failure ?? new Error(told);
    } catch (error) {
      signal.throwIfAborted();
      if (saysReplaced(error)) throw new ObjectReplaced({ cause: error });
      if (isBeyondAsking(error)) throw error;
      if (position - failedAt >= PROGRESS_BYTES) failures = 0;
      failedAt = position;
      const what = `download ${address.key} from byte ${position}`;
      await waitToRetry(policy, what, signal, { error, failures }).catch((last: unknown) => {
        signal.throwIfAborted();
        throw new GaveUp(messageOf(last), { cause: last });
      });
      failures += 1;
    }
  }
}

/** A range that cannot be had any more was one of a longer object. */
function saysReplaced(error: unknown): boolean {
  return error instanceof Error && (error.name === 'PreconditionFailed' || error.name === 'InvalidRange');
}

/** Of what the store is asked for once more, nothing could be taken: there is no such object, or nowhere to put it. */
function isBeyondAsking(error: unknown): boolean {
  const isNoObject = error instanceof Error && error.name === 'NoSuchKey';
  return isNoObject || [ObjectReplaced, FileFault, ThreadGone].some((kind) => error instanceof kind);
}

/** What was received belongs to an object that is not there any more: only a new beginning helps. */
export class ObjectReplaced extends Error {
  override name = 'ObjectReplaced';

  constructor(options?: ErrorOptions) {
    super('the object was replaced during the download', options);
  }
}

async function ask(object: Received, start: number, end: number): Promise<Taken> {
  const { file, address, etag, onMoved, signal } = object;
  const taken = await file.take(address, { range: [start, end - 1], etag }, onMoved, signal);
  if (taken.isExpected) return taken;
  // There are stores that do not look at If-Match, and some that do not look at Range.
  if (taken.etag !== etag) throw new ObjectReplaced();
  throw new Error(`the store sent ${taken.size} bytes of a range of ${end - start}`);
}
