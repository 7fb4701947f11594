import { setTimeout as delay } from 'node:timers/promises';
import type { EntityData } from '@mikro-orm/core';
import { JobEvent } from '../../db/entities/job-event.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

const afterStatement = statement<{ xid: string; id: string; batch: number }, EntityData<JobEvent>>('events-after');
const headStatement = statement<Record<string, never>, { xmin: string; behind: boolean }>('events-head');

const BATCH = 1_000;
/** A commit above the mark is usually visible within a few milliseconds: as soon as its elders have committed too. */
const BEHIND_RETRY_MS = 3;
const BEHIND_RETRIES = 50;

export type FeedListener = (event: JobEvent) => void;

/** Reads new events once per server and hands each to every listener, in the order of the feed. */
export interface Feed {
  /** Starts from now: what happened before is not handed out. */
  begin(): Promise<void>;
  /** Hands out what is new. Never skips and never repeats, although transactions commit out of order (rule 12). */
  runOnce(): Promise<{ events: number }>;
  listen(listener: FeedListener): () => void;
}

export function createFeed(core: Core): Feed {
  const listeners = new Set<FeedListener>();
  let position: { xid: string; id: string } | undefined;

  const readBatch = async (): Promise<number> => {
    if (position === undefined) throw new Error('The feed was not begun');
    const em = core.em.fork();
    const rows = await afterStatement(em, { ...position, batch: BATCH });
    for (const row of rows) {
      const event = em.map(JobEvent, row);
      position = { xid: event.xid, id: event.id };
      for (const listener of listeners) listener(event);
    }
    return rows.length;
  };

  return {
    async begin() {
      const [head] = await headStatement(core.em.fork(), {});
      if (head === undefined) throw new Error('The database did not tell the head of the feed');
      position = { xid: head.xmin, id: '0' };
    },
    async runOnce() {
      let events = 0;
      for (let retries = 0; retries <= BEHIND_RETRIES; retries++) {
        for (let read = BATCH; read === BATCH; events += read) read = await readBatch();
        const [head] = await headStatement(core.em.fork(), {});
        if (head?.behind !== true) break;
        await delay(BEHIND_RETRY_MS);
      }
      return { events };
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
