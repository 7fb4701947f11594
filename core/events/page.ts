import type { Job } from '../../db/entities/job.ts';
import { JobEvent } from '../../db/entities/job-event.ts';
import { plainRows, type Row } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { jobsThatFit, namedIds, type JobFilter } from '../jobs/find.ts';
import { isAfter, type Position } from './position.ts';

/** A part of an account's feed, as it is in the database. */
export interface EventPage {
  events: JobEvent[];
  /** Where to read on: everything up to here is in the pages so far. */
  next: Position;
  /** Whether there was more when this was read. */
  more: boolean;
  /** Where the feed begins now, when events that come after the place asked for have been removed. */
  gap: Position | undefined;
}

/** An event, all of it null where the page has none, and what else the snapshot knows. */
type PageRow = Row & {
  id: string | null;
  around: { horizon: Position; oldestRunning: string };
};

const pageStatement = statement<
  {
    account_id: string | null;
    job_ids: readonly string[] | null;
    xid: string;
    id: string;
    batch: number;
    elsewhere: readonly string[];
  },
  PageRow
>('events-page');
const headStatement = statement<{ elsewhere: readonly string[] }, { xid: string }>('events-head');

/** Where the feed stands: nothing can appear before it any more. */
export async function feedHead(core: Core): Promise<Position> {
  const [head] = await headStatement(core.em.fork(), { elsewhere: core.neighbours.transactions() });
  if (head === undefined) throw new Error('The database did not tell the head of the feed');
  return { xid: head.xid, id: '0' };
}

/**
 * The next `limit` events of the viewer's account after a place, in the order of the feed; the admin's are everybody's.
 * @param jobIds of these jobs alone
 */
export async function readEvents(
  core: Core,
  viewer: Viewer,
  after: Position,
  limit: number,
  jobIds?: readonly string[],
): Promise<EventPage> {
  demand(viewer, 'read');
  const em = core.em.fork();
  const accountId = viewer.isAdmin ? null : viewer.accountId;
  const named = { account_id: accountId, job_ids: jobIds === undefined ? null : namedIds(jobIds) };
  const elsewhere = core.neighbours.transactions();
  const rows = await pageStatement(em, { ...named, ...after, batch: limit, elsewhere });
  const parts = rows.map(({ around, ...event }) => ({ around, event }));
  const around = parts[0]?.around;
  if (around === undefined) throw new Error('The horizon of the feed is missing: its one row belongs to the schema');
  const events = plainRows(
    em,
    JobEvent,
    parts.flatMap(({ event }) => (event.id === null ? [] : [event])),
  );
  const last = events.at(-1);
  const more = events.length === limit;
  // A place may lie beyond all that is settled, when it was given with an event of a single job.
  const settled = { xid: around.oldestRunning, id: '0' };
  const end = isAfter(after, settled) ? after : settled;
  return {
    events,
    next: more && last !== undefined ? { xid: last.xid, id: last.id } : end,
    more,
    gap: isAfter(around.horizon, after) ? around.horizon : undefined,
  };
}

/**
 * Those of the events whose job fits, as the job is now. Of a job that has been removed only its id and container group are known, and by
 * the event that tells of the removal, what it was then.
 * @param find which of the jobs with these ids fit; asked only where the events themselves do not tell
 */
export async function eventsThatFit(
  core: Core,
  viewer: Viewer,
  filter: JobFilter,
  events: readonly JobEvent[],
  find = (wanted: readonly string[]) => jobsThatFit(core, viewer, filter, wanted),
): Promise<readonly JobEvent[]> {
  const { containerGroupId, ids, ...ofJob } = filter;
  const named = ids === undefined ? undefined : new Set(namedIds(ids));
  const here = events.filter(
    (event) =>
      (containerGroupId === undefined || event.containerGroupId === containerGroupId) &&
      (named === undefined || named.has(event.jobId)),
  );
  if (here.length === 0 || Object.values(ofJob).every((part) => part === undefined)) return here;
  const fitting = await find([...new Set(here.map((event) => event.jobId))]);
  return here.filter((event) => fitting.has(event.jobId) || (event.type === 'PURGED' && fits(event.data, ofJob)));
}

/**
 * Whether what a removed job was is known to fit. Of a part that was not written down it is not: nobody is told of what was not asked for.
 * @param was what `remove-jobs` has written of the job
 */
function fits(was: JobEvent['data'], filter: JobFilter): boolean {
  const { status, machineId, labels = {}, ...unknown } = filter;
  const its = was as Partial<Pick<Job, 'status' | 'machineId' | 'labels'>>;
  return (
    Object.values(unknown).every((part) => part === undefined) &&
    (status === undefined || (its.status !== undefined && status.includes(its.status))) &&
    (machineId === undefined || its.machineId === machineId) &&
    // A label of any name is the job's own, and never what an object inherits.
    Object.entries(labels).every(
      ([name, value]) => Object.hasOwn(its.labels ?? {}, name) && its.labels?.[name] === value,
    )
  );
}
