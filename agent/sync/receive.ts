import { messageOf } from '../../lib/errors.ts';
import type { Address } from './entry.ts';
import type { Meter } from './meter.ts';
import { GaveUp, type RetryPolicy, waitToRetry } from './retry.ts';
import type { FetchedObject, ObjectStore } from './s3.ts';

/** One object as it was when its first answer came. */
export interface Received {
  store: Pick<ObjectStore, 'get'>;
  policy: RetryPolicy;
  address: Address;
  etag: string;
  /** See `Only`. */
  asGzip: boolean;
  /** Is told of bytes as they arrive. */
  onMoved: Meter;
  signal: AbortSignal;
}

/** The bytes from `start` to before `end`, of which `first` may be the answer that is already here. */
export interface Piece {
  start: number;
  end: number;
  first?: FetchedObject;
}

/** So many bytes arrived since the last failure are a new beginning: the retries count anew. */
const PROGRESS_BYTES = 2 ** 20;

/**
 * The bytes of a piece, in order, each chunk valid until the next one is asked for. Where the connection breaks it goes on from there, with the rest of the same object. Throws
 * GaveUp after all retries, and ObjectReplaced when the store has another object by now.
 */
export async function* receive(object: Received, piece: Piece): AsyncGenerator<Buffer> {
  const { policy, address, onMoved, signal } = object;
  let position = piece.start;
  let failures = 0;
  let failedAt = position;
  for (let { first } = piece; position < piece.end || first !== undefined; first = undefined) {
    try {
      const answer = first ?? (await ask(object, position, piece.end));
      for await (const chunk of answer.body.pieces(onMoved)) {
        position += chunk.length;
        yield chunk;
      }
      if (position !== piece.end) {
        throw new Error(`the connection ended after ${position - piece.start} of ${piece.end - piece.start} bytes`);
      }
    } catch (error) {
      if (saysReplaced(error)) throw new ObjectReplaced({ cause: error });
      if (error instanceof ObjectReplaced || isNoObject(error)) throw error;
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

function isNoObject(error: unknown): boolean {
  return error instanceof Error && error.name === 'NoSuchKey';
}

/** What was received belongs to an object that is not there any more: only a new beginning helps. */
export class ObjectReplaced extends Error {
  override name = 'ObjectReplaced';

  constructor(options?: ErrorOptions) {
    super('the object was replaced during the download', options);
  }
}

async function ask(
  { store, address, etag, asGzip, signal }: Received,
  start: number,
  end: number,
): Promise<FetchedObject> {
  const answer = await store.get(address, { range: [start, end - 1], etag, asGzip }, signal);
  // There are stores that do not look at If-Match, and some that do not look at Range.
  if (answer.etag !== etag) {
    answer.body.destroy();
    throw new ObjectReplaced();
  }
  if (answer.size !== end - start) {
    answer.body.destroy();
    throw new Error(`the store sent ${answer.size} bytes of a range of ${end - start}`);
  }
  return answer;
}
