import { isDeepStrictEqual } from 'node:util';
import type { JobEventType } from '../../db/entities/job-event.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import type { KeyWatch } from '../accounts/key-watch.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { RateLimitedError } from '../errors.ts';
import type { Feed } from '../events/feed.ts';
import { groupFigures, type GroupFigures } from './figures.ts';
import { openRoom, type Room } from './room.ts';

/** Tells who watches a container group how it changes. */
export interface GroupWatchers {
  /**
   * The group as it is, then as it is after changes, coalesced to the latest, at most about twice a second, for as long as the key
   * is good.
   * @throws RateLimitedError at once, when too many groups are watched by this key
   * @throws ForbiddenError at the first step, when the key may not read
   */
  watch(viewer: Viewer, id: string): AsyncGenerator<GroupFigures, void, undefined>;
}

/** One key may watch so many groups at one server: a group exists by being named, and each is counted again and again. */
const MOST_PER_KEY = 100;

/** What changes no figure. The rest does. */
const SILENT: ReadonlySet<JobEventType> = new Set<JobEventType>([
  'PHASE_CHANGED',
  'PROGRESSED',
  'CHECKPOINT_SAVED',
  'WARNED',
]);

export function createGroupWatchers(core: Core, feed: Feed, keys: KeyWatch): GroupWatchers {
  const rooms = new Map<string, Room>();
  const watched = createWatched();
  feed.listen((event) => {
    if (!SILENT.has(event.type)) rooms.get(event.accountId)?.wake(event.containerGroupId);
  });

  const enter = (viewer: Viewer, id: string, reader: Latest<GroupFigures>): (() => void) => {
    const { accountId } = viewer;
    const room = rooms.get(accountId) ?? openRoom(accountId, (ids) => groupFigures(core, viewer, ids));
    rooms.set(accountId, room);
    const leave = room.enter(id, reader);
    const leaveKey = watched.add(viewer.keyId, id);
    return () => {
      leaveKey();
      leave();
      if (room.isEmpty() && rooms.get(accountId) === room) rooms.delete(accountId);
    };
  };

  async function* states(
    changes: Latest<GroupFigures>,
    viewer: Viewer,
    id: string,
  ): AsyncGenerator<GroupFigures, void, undefined> {
    demand(viewer, 'read');
    demandRoom(watched, viewer, id);
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
      demandRoom(watched, viewer, id);
      const changes = latest<GroupFigures>();
      return readerOf(changes, states(changes, viewer, id));
    },
  };
}

/** Which groups are watched with which key, and how often each. */
interface Watched {
  /** How many groups there would be if this one were watched as well. */
  with(keyId: string, id: string): number;
  add(keyId: string, id: string): () => void;
}

function createWatched(): Watched {
  const byKey = new Map<string, Map<string, number>>();
  return {
    with(keyId, id) {
      const groups = byKey.get(keyId);
      return (groups?.size ?? 0) + (groups?.has(id) === true ? 0 : 1);
    },
    add(keyId, id) {
      const groups = byKey.get(keyId) ?? new Map<string, number>();
      byKey.set(keyId, groups.set(id, (groups.get(id) ?? 0) + 1));
      return () => {
        const left = (groups.get(id) ?? 0) - 1;
        if (left > 0) groups.set(id, left);
        else groups.delete(id);
        if (groups.size === 0) byKey.delete(keyId);
      };
    },
  };
}

function demandRoom(watched: Watched, { keyId }: Viewer, id: string): void {
  if (watched.with(keyId, id) <= MOST_PER_KEY) return;
  throw new RateLimitedError(
    `This key watches ${MOST_PER_KEY} container groups on this server already: end some of them first`,
    1,
  );
}

async function figuresOf(core: Core, viewer: Viewer, id: string): Promise<GroupFigures> {
  const [figures] = await groupFigures(core, viewer, [id]);
  if (figures === undefined) throw new Error(`Container group ${id} was asked for and not counted`);
  return figures;
}
