import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import { pause } from '../../lib/pause.ts';
import type { Core } from '../core.ts';

const turnStatement = statement<Record<string, never>, { ours: boolean }>('take-pruning-turn');

const BATCH = 1_000;
const LEAST_BATCH = 10;

/** Somebody else removes at this moment, or this server stops: what is left is for another time. */
export class NotOurTurn extends Error {
  override name = 'NotOurTurn';
}

/** Makes a batch of removals: at most `batch` rows. @returns how many they were */
export type Batch = (em: EntityManager, batch: number) => Promise<number>;

/**
 * Repeats a batch until it is not full, each time in a transaction of its own, of one server at a time, and with a rest as long as
 * it took. Nobody waits for more than a batch, and removing takes at most half of one connection's time.
 * @param onRemoved told after each commit
 * @throws NotOurTurn
 */
export type InBatches = (remove: Batch, onRemoved: (rows: number) => void) => Promise<void>;

export function createTurns(core: Core, stopping: AbortSignal): InBatches {
  let batch = BATCH;

  const once = async (remove: Batch): Promise<number> => {
    try {
      const removed = await core.em.fork().transactional(async (em) => {
        const [turn] = await turnStatement(em, {});
        if (turn?.ours !== true) throw new NotOurTurn('Another server removes what is old');
        return remove(em, batch);
      });
      batch = Math.min(BATCH, batch * 2);
      return removed;
    } catch (error) {
      // The database bounds the time of a statement: what was too much for it is tried in smaller pieces at the next turn.
      if (!(error instanceof NotOurTurn)) batch = Math.max(LEAST_BATCH, Math.floor(batch / 2));
      throw error;
    }
  };

  return async (remove, onRemoved) => {
    for (;;) {
      if (stopping.aborted) throw new NotOurTurn('This server stops');
      const asked = batch;
      const began = performance.now();
      const removed = await once(remove);
      onRemoved(removed);
      await pause(performance.now() - began, stopping);
      if (removed < asked) return;
    }
  };
}
