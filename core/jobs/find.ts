import { LockMode, raw } from '@mikro-orm/core';
import { z } from 'zod';
import { Attempt } from '../../db/entities/attempt.ts';
import { JobEvent } from '../../db/entities/job-event.ts';
import { Job, type JobStatus } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { plainReader, plainRows, type Row } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { NotFoundError } from '../errors.ts';
import { fitSurely, idAndSize, thoseThatFit } from './part.ts';
import { findsAll } from './search.ts';
import type { HowToWait, InTime } from './searches.ts';

/** Which jobs: every part that is given must hold. */
export interface JobFilter {
  status?: readonly JobStatus[] | undefined;
  containerGroupId?: string | undefined;
  /** The machine that holds the job, or was the last to hold it. */
  machineId?: string | undefined;
  /** Labels that the job must have, each with this value. */
  labels?: Record<string, string> | undefined;
  /** Any of these; what is no id names nothing. */
  ids?: readonly string[] | undefined;
  /** Words, each of which must be in its name, command line, machine or id, in capitals or not. */
  search?: readonly string[] | undefined;
}

/** A part of the list, by order of submission, between two positions, both exclusive. */
export interface JobSlice {
  limit: number;
  ascending: boolean;
  above?: string | undefined;
  below?: string | undefined;
  offset?: number | undefined;
}

const uuid = z.uuid();

/**
 * One job of the viewer's account.
 * @throws NotFoundError also for another account's job and for an id that is none
 */
export async function findJob(core: Core, viewer: Viewer, id: string): Promise<Job> {
  demand(viewer, 'read');
  const job = uuid.safeParse(id).success ? await core.em.fork().findOne(Job, { id, ...ownedBy(viewer) }) : null;
  return job ?? missingJob(id);
}

/** The same, with the row held until the transaction ends. */
export async function lockJob(em: EntityManager, viewer: Viewer, id: string): Promise<Job> {
  if (!uuid.safeParse(id).success) return missingJob(id);
  const job = await em.findOne(Job, { id, ...ownedBy(viewer) }, { lockMode: LockMode.PESSIMISTIC_WRITE });
  return job ?? missingJob(id);
}

/** A part of the list, and whether it ends early, since what comes next would have been too much at once. */
export interface JobPage {
  jobs: Job[];
  isCut: boolean;
}

/**
 * Jobs of the viewer's account, of a few MiB at most, but one; the admin's are everybody's.
 * @param gone aborted when nobody waits for the answer any more: ends a search, and throws its reason
 * @throws RateLimitedError, InvalidInputError as `Searches` does, for a search
 */
export async function listJobs(
  core: Core,
  viewer: Viewer,
  filter: JobFilter,
  slice: JobSlice,
  gone?: AbortSignal,
): Promise<JobPage> {
  demand(viewer, 'read');
  const read = async (em: EntityManager): Promise<JobPage> => {
    const fitting = within(viewer, filter, slice);
    const { orderBy, limit, offset } = page(slice);
    if (fitSurely(limit)) return { jobs: await em.find(Job, fitting, page(slice)), isCut: false };
    const found = em.createQueryBuilder(Job, 'job').select(idAndSize).where(fitting).orderBy(orderBy);
    const { ids, of } = await thoseThatFit(em, found.limit(limit, offset).toQuery());
    const jobs = await em.find(Job, { $and: [fitting, { id: { $in: ids } }] }, { orderBy });
    return { jobs, isCut: jobs.length < of };
  };
  return reading(core, viewer, filter, read, { gone });
}

/** Their ids and positions alone, for a list that is too large to be held at once: `findJobs` gives the rest, part by part. */
export async function listJobPlaces(
  core: Core,
  viewer: Viewer,
  filter: JobFilter,
  slice: JobSlice,
): Promise<Pick<Job, 'id' | 'position'>[]> {
  demand(viewer, 'read');
  const fields = ['id', 'position'] as const;
  return reading(core, viewer, filter, (em) => em.find(Job, within(viewer, filter, slice), { ...page(slice), fields }));
}

/** The jobs of the viewer's account that have these ids, in this order; the admin's are everybody's. */
export async function findJobs(core: Core, viewer: Viewer, ids: readonly string[]): Promise<Job[]> {
  demand(viewer, 'read');
  const jobs = await core.em.fork().find(Job, { id: { $in: [...ids] }, ...ownedBy(viewer) });
  const byId = new Map(jobs.map((job) => [job.id, job]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Of what a search finds, so many are counted at most: beyond, there are more than `MOST_FOUND - 1`. */
export const MOST_FOUND = 10_001;

/** How many there are; what a search finds is counted up to `MOST_FOUND`. Throws as `listJobs` does. */
export async function countJobs(core: Core, viewer: Viewer, filter: JobFilter, gone?: AbortSignal): Promise<number> {
  demand(viewer, 'read');
  const count = async (em: EntityManager): Promise<number> => {
    if (filter.search === undefined) return em.count(Job, where(viewer, filter));
    const found = em.createQueryBuilder(Job).select(raw('1')).where(where(viewer, filter)).limit(MOST_FOUND);
    const { sql, params } = found.toQuery();
    const [row] = await em.execute<{ count: number }[]>(`select count(*)::int from (${sql}) found`, [...params]);
    return row?.count ?? 0;
  };
  return reading(core, viewer, filter, count, { gone });
}

/** Those of these jobs of the viewer's account that fit, as they are now. `gone` as `listJobs` has it. */
export async function jobsThatFit(
  core: Core,
  viewer: Viewer,
  filter: JobFilter,
  ids: readonly string[],
  gone?: AbortSignal,
): Promise<ReadonlySet<string>> {
  demand(viewer, 'read');
  const condition = { $and: [where(viewer, filter), { id: { $in: [...ids] } }] };
  const asked = { search: filter.search, ids };
  // Whoever follows a feed has time.
  const read = (em: EntityManager) => em.find(Job, condition, { fields: ['id'] });
  const jobs = await reading(core, viewer, asked, read, { isPatient: true, gone });
  return new Set(jobs.map((job) => job.id));
}

const newestStatement = statement<{ job_ids: readonly string[]; numbers: readonly string[] }, Row>('newest-attempts');

/** Newest attempt of each job, by job id: what of a job changes with every heartbeat is kept there. */
export async function newestAttempts(core: Core, jobs: readonly Job[]): Promise<Map<string, Attempt>> {
  const tried = jobs.filter((job) => job.attemptNumber > 0);
  if (tried.length === 0) return new Map();
  const em = plainReader(core);
  const rows = await newestStatement(em, {
    job_ids: idsOf(tried),
    numbers: tried.map((job) => String(job.attemptNumber)),
  });
  return new Map(plainRows(em, Attempt, rows).map((attempt) => [attempt.jobId, attempt]));
}

const byIdStatement = statement<{ ids: readonly string[] }, Row>('jobs-by-id');

/** Jobs as they are now, by id, whosever they are: for those who have been shown them. */
export async function readJobs(core: Core, ids: readonly string[]): Promise<Map<string, Job>> {
  const em = plainReader(core);
  const jobs = plainRows(em, Job, await byIdStatement(em, { ids: [...new Set(ids)] }));
  return new Map(jobs.map((job) => [job.id, job]));
}

/** What all attempts at a job add up to. Seconds are of all machines together. */
export interface JobTotals {
  numHeartbeats: number;
  runSeconds: number;
}

const totalsStatement = statement<
  { job_ids: readonly string[] },
  { job_id: string; num_heartbeats: number; run_seconds: number }
>('job-totals');

export async function jobTotals(core: Core, jobIds: readonly string[]): Promise<Map<string, JobTotals>> {
  const rows = await totalsStatement(core.em.fork(), { job_ids: jobIds });
  return new Map(rows.map((row) => [row.job_id, { numHeartbeats: row.num_heartbeats, runSeconds: row.run_seconds }]));
}

const lagStatement = statement<{ job_ids: readonly string[] }, { job_id: string; seconds: number }>('sync-lag');

/** Age in seconds of the oldest change that is not in the bucket, by job id; absent where no attempt runs or nothing is synced. */
export async function syncLags(core: Core, jobIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await lagStatement(core.em.fork(), { job_ids: jobIds });
  return new Map(rows.map((row) => [row.job_id, row.seconds]));
}

/** A slice of one job's history: numbers, exclusive. */
export interface NumberSlice {
  limit: number;
  descending: boolean;
  after?: number | undefined;
  before?: number | undefined;
}

/** Attempts at one job, by number. */
export async function listAttempts(core: Core, job: Job, slice: NumberSlice): Promise<Attempt[]> {
  return core.em
    .fork()
    .find(
      Attempt,
      { jobId: job.id, number: range(slice) },
      { orderBy: { number: slice.descending ? 'desc' : 'asc' }, limit: slice.limit },
    );
}

/** Events of one job, by `seq`. */
export async function listJobEvents(core: Core, job: Job, slice: NumberSlice): Promise<JobEvent[]> {
  return core.em
    .fork()
    .find(
      JobEvent,
      { jobId: job.id, seq: range(slice) },
      { orderBy: { seq: slice.descending ? 'desc' : 'asc' }, limit: slice.limit },
    );
}

const seqBeforeStatement = statement<{ job_id: string; xid: string; id: string }, { seq: number }>('seq-before');

/** How many of one job's events stand at a position of the feed or before it: its `seq` there. */
export async function seqAt(core: Core, job: Job, position: { xid: string; id: string }): Promise<number> {
  const [row] = await seqBeforeStatement(core.em.fork(), { job_id: job.id, ...position });
  return row?.seq ?? 0;
}

function range(slice: NumberSlice): { $gt: number; $lt: number } {
  return { $gt: slice.after ?? -1, $lt: slice.before ?? 2_147_483_647 };
}

/** Of so many jobs the texts are put together in a few milliseconds, however long they are. */
const FEW = 10;

/** What is searched for among a few jobs that are named is a short question; any other search waits for its turn. */
function reading<Result>(
  core: Core,
  viewer: Viewer,
  { search, ids }: Pick<JobFilter, 'search' | 'ids'>,
  read: (em: EntityManager) => Promise<Result>,
  how?: HowToWait,
): Promise<Result> {
  const em = core.em.fork();
  if (search === undefined || (ids !== undefined && ids.length <= FEW)) return read(em);
  const inOrder = (inTime: InTime) => em.transactional((own) => inTime(own, () => read(own)), { readOnly: true });
  return core.searches.hold(viewer.accountId, inOrder, how);
}

function within(viewer: Viewer, filter: JobFilter, slice: JobSlice) {
  const range = {
    ...(slice.above !== undefined && { $gt: slice.above }),
    ...(slice.below !== undefined && { $lt: slice.below }),
  };
  return { ...where(viewer, filter), ...(Object.keys(range).length > 0 && { position: range }) };
}

function page(slice: JobSlice) {
  return {
    orderBy: { position: slice.ascending ? ('asc' as const) : ('desc' as const) },
    limit: slice.limit,
    offset: slice.offset ?? 0,
  };
}

function where(viewer: Viewer, filter: JobFilter) {
  return {
    ...ownedBy(viewer),
    ...(filter.status !== undefined && { status: { $in: [...filter.status] } }),
    ...(filter.containerGroupId !== undefined && { containerGroupId: filter.containerGroupId }),
    ...(filter.machineId !== undefined && { machineId: filter.machineId }),
    ...(filter.labels !== undefined && { labels: { $contains: filter.labels } }),
    ...(filter.ids !== undefined && { id: { $in: namedIds(filter.ids) } }),
    ...(filter.search !== undefined && findsAll(filter.search)),
  };
}

/** Those of the ids that could be a job's, as the database writes them. */
export function namedIds(ids: readonly string[]): string[] {
  return ids.filter((id) => uuid.safeParse(id).success).map((id) => id.toLowerCase());
}

function idsOf(jobs: readonly Job[]): string[] {
  return jobs.map(({ id }) => id);
}

function ownedBy(viewer: Viewer): { accountId?: string } {
  return viewer.isAdmin ? {} : { accountId: viewer.accountId };
}

/** @throws NotFoundError always: the same for a job that is another's, and for one that is gone */
export function missingJob(id: string): never {
  throw new NotFoundError(`There is no job ${id} in this account: check the id, and that the key is the account's`);
}
