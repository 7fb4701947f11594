import type { JobEvent } from '../../db/entities/job-event.ts';
import { createInbox, type Inbox } from '../../lib/inbox.ts';
import { readerOf } from '../../lib/latest.ts';
import { isAborted } from '../../lib/pause.ts';
import type { KeyWatch } from '../accounts/key-watch.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { jobsThatFit, namedIds, type JobFilter } from '../jobs/find.ts';
import type { Feed } from './feed.ts';
import { createFitting, type Fitting } from './fitting.ts';
import { eventsThatFit, feedHead, readEvents } from './page.ts';
import { isAfter, type Position } from './position.ts';

/** So many events wait in memory for one slow reader; beyond, it reads from the database. */
const INBOX = 1_000;
const PAGE = 500;

/** What a follower of a feed is told, in order. */
export type FeedStep =
  /** The same step for all who are told of an event as it happens. */
  | { type: 'EVENT'; event: JobEvent }
  /** Events were removed before they could be told. What is left begins at `oldest`, and follows. */
  | { type: 'GAP'; oldest: Position }
  /** All up to here was looked at, and the last of it was not for this follower. */
  | { type: 'PASSED'; at: Position };

export interface FollowedFeed {
  /** Where it begins: what comes after this place is told. */
  start: Position;
  steps: AsyncGenerator<FeedStep, void, undefined>;
}

/** Tells accounts what happens to their jobs: every event once, in the order of the feed (rule 12). */
export interface AccountFeed {
  /**
   * The events of the viewer's account after a place, or from now on, for as long as the key is good. What the place means is kept in
   * the database alone, so a follower can resume at any server, at any time. A slow reader gets pages from the database.
   * @throws ForbiddenError when the key may not read
   */
  follow(viewer: Viewer, wish: { after: Position | undefined; filter: JobFilter }): Promise<FollowedFeed>;
}

type FeedEvent = Extract<FeedStep, { type: 'EVENT' }>;

interface Follower {
  viewer: Viewer;
  filter: JobFilter;
  inbox: Inbox<FeedEvent>;
  /** Aborted when nothing more is to be told: the reader has left, or the key is no longer good. */
  gone: AbortSignal;
  end(): void;
  /** Which of the jobs with these ids fit, as they are now; it may name others that do. */
  find: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
}

export function createAccountFeed(core: Core, feed: Feed, keys: KeyWatch): AccountFeed {
  const inboxes = createInboxes();
  const fitting = createFitting(core);
  feed.listenSettled((event) => inboxes.hand(event));

  async function* steps(follower: Follower, start: Position): AsyncGenerator<FeedStep, void, undefined> {
    const leave = inboxes.add(follower);
    const unwatch = keys.follow(follower.viewer, () => follower.end());
    try {
      let at: Position | undefined = start;
      while (at !== undefined) {
        at = yield* catchUp(core, follower, at);
        at = yield* stayLive(core, follower, at);
      }
    } finally {
      leave();
      unwatch();
    }
  }

  return {
    async follow(viewer, { after, filter }) {
      demand(viewer, 'read');
      const start = after ?? (await feedHead(core));
      const follower = newFollower(core, fitting, viewer, filter);
      return { start, steps: readerOf(follower, steps(follower, start)) };
    },
  };
}

function newFollower(core: Core, fitting: Fitting, viewer: Viewer, filter: JobFilter): Follower {
  const inbox = createInbox<FeedEvent>(INBOX);
  const leaving = new AbortController();
  return {
    ...{ viewer, filter, inbox, gone: leaving.signal },
    end() {
      inbox.end();
      leaving.abort();
    },
    find: (ids) =>
      filter.search === undefined
        ? fitting.jobsThatFit(viewer, filter, ids, leaving.signal)
        : jobsThatFit(core, viewer, filter, ids, leaving.signal),
  };
}

/** Which inboxes an event goes to: those of a whole account, or, of whom single jobs alone are asked for, those of its job. */
function createInboxes() {
  const rooms = new Map<string, Set<Inbox<FeedEvent>>>();
  return {
    hand(event: JobEvent): void {
      const { accountId, jobId } = event;
      const told: FeedEvent = { type: 'EVENT', event };
      for (const account of [accountId, EVERYBODY]) {
        rooms.get(account)?.forEach((inbox) => inbox.push(told));
        rooms.get(roomOf(account, jobId))?.forEach((inbox) => inbox.push(told));
      }
    },
    add({ viewer, filter, inbox }: Follower): () => void {
      const account = viewer.isAdmin ? EVERYBODY : viewer.accountId;
      const names = filter.ids === undefined ? [account] : namedIds(filter.ids).map((id) => roomOf(account, id));
      for (const name of names) rooms.set(name, (rooms.get(name) ?? new Set()).add(inbox));
      return () => {
        for (const name of names) {
          rooms.get(name)?.delete(inbox);
          if (rooms.get(name)?.size === 0) rooms.delete(name);
        }
      };
    },
  };
}

const EVERYBODY = 'everybody';

function roomOf(account: string, jobId: string): string {
  return `${account}/${jobId}`;
}

/**
 * Pages from the database, until the last one is read while its inbox could hold what was settled meanwhile.
 * @returns where to go on
 */
async function* catchUp(core: Core, follower: Follower, from: Position): AsyncGenerator<FeedStep, Position, undefined> {
  for (let at = from; ;) {
    // Opened before the page is read: what is settled after that lands in the inbox, what is settled before is in the page.
    follower.inbox.open();
    const page = await readEvents(core, follower.viewer, at, PAGE, follower.filter.ids);
    if (page.gap !== undefined) yield { type: 'GAP', oldest: page.gap };
    yield* told(
      core,
      follower,
      page.events.map((event) => ({ type: 'EVENT', event })),
    );
    at = page.next;
    if (!page.more || isAborted(follower.gone)) return at;
  }
}

/** @returns where to catch up from, when the reader was too slow; undefined when it is over */
async function* stayLive(
  core: Core,
  follower: Follower,
  from: Position,
): AsyncGenerator<FeedStep, Position | undefined, undefined> {
  for (let at = from; ;) {
    const steps = await follower.inbox.take();
    if (steps === undefined) return undefined;
    if (steps === 'OVERFLOWED') return at;
    const place = at;
    const fresh = steps.filter(({ event }) => isAfter(event, place));
    yield* told(core, follower, fresh);
    at = fresh.at(-1)?.event ?? at;
  }
}

async function* told(
  core: Core,
  { viewer, filter, gone, find }: Follower,
  steps: readonly FeedEvent[],
): AsyncGenerator<FeedStep, void, undefined> {
  const events = steps.map(({ event }) => event);
  const fitting = await eventsThatFit(core, viewer, filter, events, find).then(
    (found) => new Set(found),
    (error: unknown) => {
      // Who has left is told nothing, and nothing is amiss.
      if (isAborted(gone)) return undefined;
      throw error;
    },
  );
  if (fitting === undefined) return;
  for (const step of steps) {
    if (!fitting.has(step.event)) continue;
    // A key that was revoked meanwhile is shown nothing more, however much was read already.
    if (isAborted(gone)) return;
    yield step;
  }
  const last = events.at(-1);
  if (last !== undefined && !fitting.has(last) && !isAborted(gone))
    yield { type: 'PASSED', at: { xid: last.xid, id: last.id } };
}
