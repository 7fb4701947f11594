import type { EntityData } from '@mikro-orm/core';
import { JobEvent } from '../../db/entities/job-event.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

const afterStatement = statement<
  { xid: string; id: string; batch: number },
  EntityData<JobEvent> & { settled: boolean }
>('events-after');
const headStatement = statement<Record<string, never>, { xmin: string }>('events-head');

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
  runOnce(): Promise<{ events: number }>;
  listen(listener: FeedListener): () => void;
}

interface Position {
  xid: string;
  id: string;
}

export function createFeed(core: Core): Feed {
  const listeners = new Set<FeedListener>();
  let settledAt: Position | undefined;
  /** Handed out already, beyond the position behind which everything is settled. */
  const handedOut = new Set<string>();

  const handOut = (event: JobEvent, settled: boolean): boolean => {
    const isNew = settled ? !handedOut.delete(event.id) : !handedOut.has(event.id);
    if (!settled) handedOut.add(event.id);
    if (isNew) for (const listener of listeners) listener(event);
    return isNew;
  };

  /** @returns where to read on, or undefined at the end */
  const readBatch = async (from: Position): Promise<{ next: Position | undefined; events: number }> => {
    const em = core.em.fork();
    const rows = await afterStatement(em, { ...from, batch: BATCH });
    let events = 0;
    let next: Position | undefined;
    for (const { settled, ...row } of rows) {
      const event = em.map(JobEvent, row);
      next = { xid: event.xid, id: event.id };
      if (settled) settledAt = next;
      if (handOut(event, settled)) events += 1;
    }
    return { next: rows.length < BATCH ? undefined : next, events };
  };

  const readAll = async (): Promise<{ events: number }> => {
    let total = 0;
    for (let from = settledAt; from !== undefined;) {
      const { next, events } = await readBatch(from);
      total += events;
      from = next;
    }
    return { events: total };
  };

  return {
    async begin() {
      const [head] = await headStatement(core.em.fork(), {});
      if (head === undefined) throw new Error('The database did not tell the head of the feed');
      settledAt = { xid: head.xmin, id: '0' };
      // What has committed beyond that mark, while an older transaction is still open somewhere, happened before all the same:
      // it is passed over now, when nobody listens yet.
      await readAll();
    },
    runOnce: readAll,
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
