import { createLatch } from '../../lib/latch.ts';
import type { Latest } from '../../lib/latest.ts';
import { outside } from '../../lib/outside.ts';
import { pause } from '../../lib/pause.ts';
import { asAsker } from '../fair-share.ts';
import type { GroupFigures } from './figures.ts';

/** All of one account who watch groups: each group is counted once for all of them, a few groups by one statement, one after the other. */
export interface Room {
  /** @returns leaves; the last one closes the room */
  enter(id: string, reader: Latest<GroupFigures>): () => void;
  /** Something has changed in this group: count it soon. */
  wake(id: string): void;
  isEmpty(): boolean;
}

const AT_MOST_EVERY_MS = 500;
/** No event tells that agents come and go, or that an hour has passed. */
const POLL_MS = 5_000;
/** Of queues so long that counting them takes time, counting takes at most a tenth of it. */
const REST_PER_WORK = 9;
/** So many groups are counted by one statement: a long one would be stopped, and tell nothing of any. */
const MOST_AT_ONCE = 25;

/** @param count what is asked of the database, as somebody who asks: whoever watches groups takes no connection from work */
export function openRoom(accountId: string, count: (ids: readonly string[]) => Promise<GroupFigures[]>): Room {
  const groups = new Map<string, Set<Latest<GroupFigures>>>();
  const due = new Set<string>();
  const closed = new AbortController();
  const changed = createLatch();

  const countSome = async (ids: readonly string[]): Promise<void> => {
    for (const figures of await count(ids)) groups.get(figures.id)?.forEach((reader) => reader.push(figures));
  };
  const countDue = async (): Promise<void> => {
    const ids = [...due].filter((id) => groups.has(id));
    due.clear();
    for (let from = 0; from < ids.length && !closed.signal.aborted; from += MOST_AT_ONCE) {
      const some = ids.slice(from, from + MOST_AT_ONCE);
      // While the database is away there is nothing to tell; the next look at all asks again.
      await countSome(some).catch(() => undefined);
    }
  };
  const run = async (): Promise<void> => {
    let restMs = AT_MOST_EVERY_MS;
    let allAt = performance.now() + POLL_MS;
    for (;;) {
      await pause(restMs, closed.signal);
      await changed.wait(Math.max(0, allAt - performance.now()), closed.signal);
      if (closed.signal.aborted) return;
      const began = performance.now();
      if (began >= allAt) groups.forEach((_readers, id) => due.add(id));
      await countDue();
      restMs = Math.max(AT_MOST_EVERY_MS, (performance.now() - began) * REST_PER_WORK);
      if (began >= allAt) allAt = performance.now() + restMs + POLL_MS;
    }
  };
  void outside(() => asAsker({ accountId, keyId: ROOMS, gone: () => closed.signal }, run));

  return {
    enter(id, reader) {
      const readers = groups.get(id) ?? new Set();
      groups.set(id, readers.add(reader));
      return () => {
        readers.delete(reader);
        if (readers.size === 0) groups.delete(id);
        if (groups.size === 0) closed.abort();
      };
    },
    wake(id) {
      if (!groups.has(id)) return;
      due.add(id);
      changed.set();
    },
    isEmpty: () => groups.size === 0,
  };
}

/** In place of a key: what is counted for all who watch has turns of its own among those of the account. */
const ROOMS = 'rooms';
