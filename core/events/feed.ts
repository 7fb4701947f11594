import type { EntityData } from '@mikro-orm/core';
import { JobEvent } from '../../db/entities/job-event.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import type { Position } from './position.ts';
import { feedHead } from './page.ts';

const afterStatement = statement<
  { xid: string; id: string; batch: number },
  EntityData<JobEvent> & { settled: boolean }
>('events-after');

const BATCH = 1_000;

export type FeedListener = (event: JobEvent) => void;

/** Reads new events once per server and hands each to every listener, once. */
export interface Feed {
  /** Starts from now: what happened before is not handed out. Called once, before anybody listens. */
  begin(): Promise<void>;
  /**
   * Hands out what is new, as soon as it is committed: a transaction that stays open somewhere holds up nobody. Skips nothing and
   * repeats nothing, although transactions commit out of order; a job's own events come in the order in which they were committed.
   */
  runOnce(): Promise<{ events: number; unsettled: number }>;
  listen(listener: FeedListener): () => void;
  /**
   * The same events, each once, but only when everything before it in the feed has been handed out: in the order of the feed,
   * which within a job is that of `seq`. An old transaction that stays open holds these up.
   */
  listenSettled(listener: FeedListener): void;
}

interface Batch {
  /** Where to read on; undefined at the end. */
  next: Position | undefined;
  events: number;
  unsettled: number;
}

export function createFeed(core: Core): Feed {
  const listeners = new Set<FeedListener>();
  const settledListeners = new Set<FeedListener>();
  let settledAt: Position | undefined;
  /** Handed out already, beyond the position behind which everything is settled. */
  const handedOut = new Set<string>();

  const handOut = (event: JobEvent, settled: boolean): boolean => {
    if (settled) for (const listener of settledListeners) listener(event);
    const isNew = settled ? !handedOut.delete(event.id) : !handedOut.has(event.id);
    if (!settled) handedOut.add(event.id);
    if (isNew) for (const listener of listeners) listener(event);
    return isNew;
  };

  const readBatch = async (from: Position): Promise<Batch> => {
    const em = core.em.fork();
    const rows = await afterStatement(em, { ...from, batch: BATCH });
    const unsettled = rows.filter(({ settled }) => !settled).length;
    let events = 0;
    let next: Position | undefined;
    for (const { settled, ...row } of rows) {
      const event = em.map(JobEvent, row);
      next = { xid: event.xid, id: event.id };
      if (settled) settledAt = next;
      if (handOut(event, settled)) events += 1;
    }
    return { next: rows.length < BATCH ? undefined : next, events, unsettled };
  };

  const readAll = async (): Promise<{ events: number; unsettled: number }> => {
    const total = { events: 0, unsettled: 0 };
    for (let from = settledAt; from !== undefined;) {
      const { next, events, unsettled } = await readBatch(from);
      total.events += events;
      total.unsettled += unsettled;
      from = next;
    }
    return total;
  };

  return {
    async begin() {
      settledAt = await feedHead(core);
      // What has committed beyond that mark, while an older transaction is still open somewhere, happened before all the same:
      // it is passed over now, when nobody listens yet.
      await readAll();
    },
    runOnce: readAll,
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    listenSettled: (listener) => settledListeners.add(listener),
  };
}
