import type { StoredLine } from '../../db/entities/job-log.ts';
import type { Owner } from '../../db/plain.ts';
import type { Alone } from '../leases/alone.ts';
import type { Fence } from '../leases/terms.ts';
import { writtenBy, writtenTogether } from '../leases/together.ts';

/** Some lines in a row, as the statement names them. */
interface Chunk extends Fence {
  /** Number of the first line within the attempt. */
  offset: number;
  content: readonly StoredLine[];
  /** Of the log, the first and the last so many bytes are kept. */
  half: number;
}

/** Where the next chunk should begin, and whether anything of this one was stored. */
interface Appended {
  next_offset: number;
  stored: boolean;
}

const appendStatement = writtenBy<Appended>('append-logs');

/** Stores a chunk of a living attempt's log; undefined where its lease is lost. What is returned is committed. */
export type Append = (chunk: Chunk) => Promise<Appended | undefined>;

export function createAppends(owner: Owner, alone: Alone): Append {
  return writtenTogether(owner, alone, appendStatement);
}
