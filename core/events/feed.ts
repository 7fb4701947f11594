import { JobEvent } from '../../db/entities/job-event.ts';
import { plainReader, plainRows, type Row } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { isAfter, type Position } from './position.ts';
import { feedHead } from './page.ts';

interface Flags {
  settled: boolean;
  calm: boolean;
  head: string;
}

const afterStatement = statement<
  { xid: string; id: string; old: string; settled_only: boolean; batch: number; elsewhere: readonly string[] },
  Row & Flags
>('events-after');

const BATCH = 1_000;
/** Hints do not wait for a transaction that is open for longer than this, in milliseconds. */
const OLD_MS = 1_000;
/** So many hints are remembered, so that they are not repeated. */
const MOST_REMEMBERED = 10_000;

export type FeedListener = (event: JobEvent) => void;

/** Reads new events once per server and hands each to every listener. */
export interface Feed {
  /** Starts from now: what happened before is not handed out. Called once, before anybody listens. */
  begin(): Promise<void>;
  /**
   * Hands out what is new, as soon as it is committed: a transaction that stays open somewhere holds up nobody. Skips nothing, although
   * transactions commit out of order; a job's own events come in the order in which they were committed.
   */
  runOnce(): Promise<{ events: number; unsettled: number }>;
  /**
   * Hints: each event when it is committed, once. But while a transaction stays open for more than a second, what comes after it is
   * told once more at its end, and what another such transaction has written is told only then.
   */
  listen(listener: FeedListener): () => void;
  /**
   * The same events, each exactly once, but only when everything before it in the feed has been handed out: in the order of the
   * feed, which within a job is that of `seq`. An old transaction that stays open in this database holds these up.
   */
  listenSettled(listener: FeedListener): void;
  /** Up to which place the events have been handed out to those. */
  settledAt(): Position;
}

export function createFeed(core: Core, options: Partial<ReadingOptions> = {}): Feed {
  const listeners = new Set<FeedListener>();
  const settledListeners = new Set<FeedListener>();
  const reading = createReading(core, {
    ...{ oldMs: OLD_MS, mostRemembered: MOST_REMEMBERED, ...options },
    hint: (event) => listeners.forEach((listener) => listener(event)),
    settle: (event) => settledListeners.forEach((listener) => listener(event)),
  });
  return {
    async begin() {
      await core.neighbours.look();
      reading.goTo(await feedHead(core));
      // What has committed beyond that mark, while an older transaction is still open somewhere, happened before all the same:
      // it is passed over now, when nobody listens yet.
      await reading.runOnce();
    },
    async runOnce() {
      await core.neighbours.look();
      return reading.runOnce();
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    listenSettled: (listener) => settledListeners.add(listener),
    settledAt: () => reading.settledAt(),
  };
}

interface ReadingOptions {
  /** See `OLD_MS`. */
  oldMs: number;
  /** See `MOST_REMEMBERED`. */
  mostRemembered: number;
}

/**
 * Two places in one feed. Up to `settledAt` everybody has everything. Hints go ahead: what lies beyond `hintedAt` is read each time,
 * because transactions commit out of order, and it is remembered what of it was hinted at. So that neither grows while a
 * transaction stays open, `hintedAt` passes what only old transactions hold up; that is read once more when they have ended.
 */
function createReading(core: Core, options: ReadingOptions & { hint: FeedListener; settle: FeedListener }) {
  let settledAt: Position = { xid: '0', id: '0' };
  let hintedAt = settledAt;
  const hinted = createMemory(options.mostRemembered);
  const age = createAge(options.oldMs);

  const settle = (event: JobEvent): void => {
    settledAt = placeOf(event);
    options.settle(event);
  };

  /** What was held up, as far as it is settled now. Which of it is late nobody knows, so all of it is hinted at. */
  const readBehind = async (): Promise<number> => {
    let events = 0;
    for (let isMore = true; isMore && isAfter(hintedAt, settledAt);) {
      const rows = await read(core, { ...settledAt, old: age.old(), settled_only: true });
      for (const { event } of rows.filter((row) => !isAfter(row.event, hintedAt))) {
        settle(event);
        options.hint(event);
        events += 1;
      }
      isMore = rows.length === BATCH;
    }
    return events;
  };

  const readAhead = async (total: { events: number; unsettled: number }): Promise<typeof total> => {
    // Each batch sees the database as it is then, and may find settled what lies behind something that was not: past that, no place moves.
    let allSettled = true;
    let allCalm = true;
    for (let from: Position | undefined = hintedAt; from !== undefined;) {
      const rows = await read(core, { ...from, old: age.old(), settled_only: false });
      from = rows.length < BATCH ? undefined : rows.at(-1)?.at;
      for (const { event, at, settled, calm, head } of rows) {
        age.note(head);
        allSettled &&= settled;
        allCalm &&= calm;
        const isNew = allCalm ? !hinted.forget(event.id) : hinted.add(event.id);
        if (!allSettled) total.unsettled += 1;
        else if (!isAfter(hintedAt, settledAt)) settle(event);
        if (allCalm) hintedAt = at;
        if (!isNew) continue;
        total.events += 1;
        options.hint(event);
      }
    }
    return total;
  };

  return {
    goTo: (place: Position) => void (settledAt = hintedAt = place),
    settledAt: () => settledAt,
    runOnce: async () => readAhead({ events: await readBehind(), unsettled: 0 }),
  };
}

interface ReadEvent extends Flags {
  event: JobEvent;
  at: Position;
}

async function read(core: Core, from: Position & { old: string; settled_only: boolean }): Promise<ReadEvent[]> {
  const em = plainReader(core);
  const rows = await afterStatement(em, { ...from, batch: BATCH, elsewhere: core.neighbours.transactions() });
  const events = plainRows(em, JobEvent, rows);
  return rows.flatMap(({ settled, calm, head }, index) => {
    const event = events[index];
    return event === undefined ? [] : [{ settled, calm, head, event, at: placeOf(event) }];
  });
}

function placeOf({ xid, id }: JobEvent): Position {
  return { xid, id };
}

/** Ids of the last events that were hinted at: what is forgotten is hinted at once more, which does no harm. */
function createMemory(most: number) {
  const ids = new Set<string>();
  return {
    /** @returns whether it was new */
    add(id: string): boolean {
      if (ids.has(id)) return false;
      ids.add(id);
      // A set lists what was added first, first.
      if (ids.size > most) for (const oldest of ids.values().take(1)) ids.delete(oldest);
      return true;
    },
    /** @returns whether it was known */
    forget: (id: string): boolean => ids.delete(id),
  };
}

/** Which transactions are old, told by what the head of the feed was. */
function createAge(oldMs: number) {
  let old = '0';
  let sample: { head: string; at: number } | undefined;
  return {
    /** All transactions before this one have been open for `oldMs`, if they are. */
    old: () => old,
    note(head: string): void {
      const now = performance.now();
      if (sample !== undefined && now - sample.at < oldMs) return;
      if (sample !== undefined) old = sample.head;
      sample = { head, at: now };
    },
  };
}
