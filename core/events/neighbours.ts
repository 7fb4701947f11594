import { plainReader, type Owner } from '../../db/plain.ts';
import { isForbidden } from '../../db/refused.ts';
import { statement } from '../../db/statement.ts';

const elsewhereStatement = statement<{ known: readonly string[] }, { xid: string }>('transactions-elsewhere');

/** A transaction that is shorter holds up little. In milliseconds. */
const EVERY_MS = 1_000;

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
  /** Looks who is there, where that was not done just now. */
  look(): Promise<void>;
}

/** @param options.everyMs how often it is looked at most, in milliseconds */
export function createNeighbours(owner: Owner, { everyMs = EVERY_MS } = {}): Neighbours {
  let known: readonly string[] = [];
  let looking: Promise<void> | undefined;
  let lookedAt = -Infinity;

  const look = async (): Promise<void> => {
    try {
      const rows = await elsewhereStatement(plainReader(owner), { known });
      known = rows.map(({ xid }) => xid);
    } catch (error) {
      // Without the right to look everything goes on, behind whatever transaction is open anywhere.
      if (!isForbidden(error)) throw error;
    }
    lookedAt = performance.now();
  };

  return {
    transactions: () => known,
    async look() {
      if (performance.now() - lookedAt < everyMs) return;
      // Never two beside each other: the one that began first could forget what the other has found.
      looking ??= look().finally(() => (looking = undefined));
      await looking;
    },
  };
}
