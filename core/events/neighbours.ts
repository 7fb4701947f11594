import { plainReader, type Owner } from '../../db/plain.ts';
import { isForbidden } from '../../db/refused.ts';
import { statement } from '../../db/statement.ts';
import { messageOf } from '../../lib/errors.ts';

const elsewhereStatement = statement<{ known: readonly string[] }, { xid: string }>('transactions-elsewhere');

/** A transaction that is shorter holds up little. In milliseconds. */
const EVERY_MS = 1_000;
/** Rights are given by people: until then PostgreSQL's log would have the same refusal in it every second. In milliseconds. */
const REFUSED_MS = 60_000;

/**
 * Other databases of the same cluster. Their transactions are counted together with ours, and no snapshot tells them apart, so that one
 * which stays open there would hold up what waits for all older transactions here.
 */
export interface Neighbours {
  /**
   * Transactions that run there, as xids: none that could be one of this database. One that is named once is named for as long as it
   * runs, so that what had not to wait for it never has to wait for it again.
   */
  transactions(): readonly string[];
  /** Looks who is there, where that was not done just now. Never fails: without it everything goes on, behind whatever is not known. */
  look(): Promise<void>;
}

interface NeighboursOptions {
  /** How often it is looked at most, in milliseconds. */
  everyMs?: number;
  /** How long nobody looks after it was refused for want of a right, in milliseconds. */
  refusedMs?: number;
  /** Told of what looking fails with: once, until it has gone well again. */
  onError: (error: Error) => void;
}

export function createNeighbours(owner: Owner, options: NeighboursOptions): Neighbours {
  const { everyMs = EVERY_MS, refusedMs = REFUSED_MS, onError } = options;
  let known: readonly string[] = [];
  let looking: Promise<void> | undefined;
  let nextAt = -Infinity;
  let isTold = false;

  const look = async (): Promise<void> => {
    let restMs = everyMs;
    try {
      const rows = await elsewhereStatement(plainReader(owner), { known });
      known = rows.map(({ xid }) => xid);
      isTold = false;
    } catch (error) {
      // What runs is named for as long as it runs, so what was known stays good.
      if (isForbidden(error)) restMs = refusedMs;
      if (!isTold) onError(unseen(error));
      isTold = true;
    }
    nextAt = performance.now() + restMs;
  };

  return {
    transactions: () => known,
    async look() {
      if (performance.now() < nextAt) return;
      // Never two beside each other: the one that began first could forget what the other has found.
      looking ??= look().finally(() => (looking = undefined));
      await looking;
    },
  };
}

function unseen(error: unknown): Error {
  return new Error(
    `What runs in other databases of the cluster could not be looked at, and may hold up the feed: ${messageOf(error)}`,
    { cause: error },
  );
}
