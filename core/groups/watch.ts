import { isDeepStrictEqual } from 'node:util';
import type { JobEventType } from '../../db/entities/job-event.ts';
import { createLatch } from '../../lib/latch.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import { outside } from '../../lib/outside.ts';
import { pause } from '../../lib/pause.ts';
import type { KeyWatch } from '../accounts/key-watch.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import type { Feed } from '../events/feed.ts';
import { groupFigures, type GroupFigures } from './figures.ts';

/** Tells who watches a container group how it changes. */
export interface GroupWatchers {
  /**
   * The group as it is, then as it is after changes, coalesced to the latest, at most about twice a second, for as long as the key
   * is good.
   * @throws ForbiddenError at the first step, when the key may not read
   */
  watch(viewer: Viewer, id: string): AsyncGenerator<GroupFigures, void, undefined>;
}

const AT_MOST_EVERY_MS = 500;
/** No event tells that agents come and go, or that an hour has passed. */
const POLL_MS = 5_000;
/** Of a queue so long that counting it takes time, counting takes at most a tenth of it. */
const REST_PER_WORK = 9;

/** What changes no figure. The rest does. */
const SILENT: ReadonlySet<JobEventType> = new Set<JobEventType>([
  'PHASE_CHANGED',
  'PROGRESSED',
  'CHECKPOINT_SAVED',
  'WARNED',
]);

export function createGroupWatchers(core: Core, feed: Feed, keys: KeyWatch): GroupWatchers {
  const rooms = new Map<string, Room>();
  feed.listen((event) => {
    if (!SILENT.has(event.type)) rooms.get(keyOf(event.accountId, event.containerGroupId))?.wake();
  });

  const enter = (viewer: Viewer, id: string, reader: Latest<GroupFigures>): (() => void) => {
    const key = keyOf(viewer.accountId, id);
    const room = rooms.get(key) ?? openRoom(() => figuresOf(core, viewer, id));
    rooms.set(key, room);
    room.readers.add(reader);
    return () => {
      room.readers.delete(reader);
      if (room.readers.size > 0) return;
      room.close();
      if (rooms.get(key) === room) rooms.delete(key);
    };
  };

  async function* states(
    changes: Latest<GroupFigures>,
    viewer: Viewer,
    id: string,
  ): AsyncGenerator<GroupFigures, void, undefined> {
    demand(viewer, 'read');
    const leave = enter(viewer, id, changes);
    const unwatch = keys.follow(viewer, () => changes.end());
    try {
      let shown = await figuresOf(core, viewer, id);
      yield shown;
      for await (const figures of changes) {
        if (isDeepStrictEqual(figures, shown)) continue;
        shown = figures;
        yield shown;
      }
    } finally {
      leave();
      unwatch();
    }
  }

  return {
    watch(viewer, id) {
      const changes = latest<GroupFigures>();
      return readerOf(changes, states(changes, viewer, id));
    },
  };
}

/** All who watch one group: it is counted once for all of them. */
interface Room {
  readonly readers: Set<Latest<GroupFigures>>;
  /** Something has changed: count soon. */
  wake(): void;
  close(): void;
}

function openRoom(count: () => Promise<GroupFigures>): Room {
  const readers = new Set<Latest<GroupFigures>>();
  const closed = new AbortController();
  const changed = createLatch();

  const run = async (): Promise<void> => {
    let restMs = AT_MOST_EVERY_MS;
    for (;;) {
      await pause(restMs, closed.signal);
      await changed.wait(POLL_MS, closed.signal);
      if (closed.signal.aborted) return;
      const began = performance.now();
      // While the database is away there is nothing to tell; the next turn asks again.
      const figures = await count().catch(() => undefined);
      restMs = Math.max(AT_MOST_EVERY_MS, (performance.now() - began) * REST_PER_WORK);
      if (figures !== undefined) readers.forEach((reader) => reader.push(figures));
    }
  };
  void outside(run);

  return { readers, wake: () => changed.set(), close: () => closed.abort() };
}

async function figuresOf(core: Core, viewer: Viewer, id: string): Promise<GroupFigures> {
  const [figures] = await groupFigures(core, viewer, [id]);
  if (figures === undefined) throw new Error(`Container group ${id} was asked for and not counted`);
  return figures;
}

function keyOf(accountId: string, containerGroupId: string): string {
  return `${accountId}\0${containerGroupId}`;
}
