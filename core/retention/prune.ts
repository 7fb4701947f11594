import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { createAnswersWalk } from './answers.ts';
import { createTurns, NotOurTurn, type InBatches } from './turns.ts';
import { createEndedWalk, purgedJobs, type EndedWalk } from './walk.ts';

/** For how many days what is over is kept; 0: for ever. */
export interface KeepDays {
  /** Jobs, from their end, with all that belongs to them, however old that is. */
  jobs: number;
  /** Events of jobs that have ended or are gone, from the newest of their job. */
  events: number;
  /** What commands wrote, from the end of their job. */
  logs: number;
  /** Webhooks with their tries, from when they were delivered or given up. */
  deliveries: number;
}

export const KEEP_DAYS: KeepDays = { jobs: 90, events: 30, logs: 30, deliveries: 30 };

/** How many rows were removed; of logs, chunks. What goes with its job by a foreign key is not counted apart. */
export interface Pruned {
  jobs: number;
  events: number;
  logs: number;
  deliveries: number;
  /** What receivers of webhooks had answered, stored by a release that did not blank it. */
  answers: number;
}

/** Removes what is too old. Any number of servers may do this: one at a time does, the others leave it to that one. */
export interface Pruner {
  /**
   * Removes all that is too old by now. A job that is pending or running keeps everything but webhooks that are over. What somebody
   * holds at this moment, or what is not ripe (a webhook of the job is still to be sent), is looked at again a day later. With a job
   * goes its key of idempotency: submitted again, it is a new job. Ends early when another server is at it, or at `stop`.
   */
  runOnce(): Promise<Pruned>;
  /** No new batch begins; a run that is under way ends with its present one. */
  stop(): void;
}

interface OfJobs {
  job_ids: readonly string[];
  days: number;
  batch: number;
}
type Parameters<Of> = { [name in keyof Of]: Of[name] };
type Removed = { removed: number };

const pruneEvents = statement<Parameters<OfJobs>, Removed>('prune-events');
const pruneJobs = statement<Parameters<OfJobs>, Removed>('prune-jobs');
const pruneLogs = statement<Parameters<Omit<OfJobs, 'days'>>, Removed>('prune-logs');
const pruneDeliveries = statement<Parameters<Omit<OfJobs, 'job_ids'>>, Removed>('prune-deliveries');

export function createPruner(core: Core, keep: KeepDays): Pruner {
  const stopping = new AbortController();
  const inBatches = createTurns(core, stopping.signal);
  const forgetAnswers = createAnswersWalk(inBatches);
  const work: Work = {
    ...{ core, keep, inBatches },
    walks: { events: createEndedWalk(core), logs: createEndedWalk(core), jobs: createEndedWalk(core) },
  };
  return {
    async runOnce() {
      const pruned = { jobs: 0, events: 0, logs: 0, deliveries: 0, answers: 0 };
      try {
        if (keep.deliveries > 0) await removeDeliveries(work, pruned);
        await forgetAnswers((answers) => (pruned.answers += answers));
        if (keep.logs > 0) await work.walks.logs.each(keep.logs, (jobIds) => removeLogs(work, pruned, jobIds));
        if (keep.events > 0) await removeOldEvents(work, pruned);
        if (keep.jobs > 0) await work.walks.jobs.each(keep.jobs, (jobIds) => removeJobs(work, pruned, jobIds));
      } catch (error) {
        if (!(error instanceof NotOurTurn)) throw error;
      }
      return pruned;
    },
    stop: () => stopping.abort(),
  };
}

interface Work {
  core: Core;
  keep: KeepDays;
  inBatches: InBatches;
  walks: Record<'events' | 'logs' | 'jobs', EndedWalk>;
}

async function removeDeliveries({ inBatches, keep }: Work, pruned: Pruned): Promise<void> {
  await inBatches(
    (em, batch) => count(pruneDeliveries(em, { days: keep.deliveries, batch })),
    (rows) => (pruned.deliveries += rows),
  );
}

async function removeLogs({ inBatches }: Work, pruned: Pruned, jobIds: string[]): Promise<void> {
  await inBatches(
    (em, batch) => count(pruneLogs(em, { job_ids: jobIds, batch })),
    (rows) => (pruned.logs += rows),
  );
}

/** First of the jobs that are gone, of which nobody else would remember that events are left; then of those that have ended. */
async function removeOldEvents(work: Work, pruned: Pruned): Promise<void> {
  const { core, keep, walks } = work;
  for (;;) {
    const before = pruned.events;
    const jobIds = await purgedJobs(core, keep.events);
    if (jobIds.length > 0) await removeEvents(work, pruned, { jobIds, days: keep.events });
    // What is left of these is not settled yet.
    if (pruned.events === before) break;
  }
  await walks.events.each(keep.events, (jobIds) => removeEvents(work, pruned, { jobIds, days: keep.events }));
}

async function removeEvents(
  { inBatches }: Work,
  pruned: Pruned,
  { jobIds, days }: { jobIds: string[]; days: number },
): Promise<void> {
  await inBatches(
    (em, batch) => count(pruneEvents(em, { job_ids: jobIds, days, batch })),
    (rows) => (pruned.events += rows),
  );
}

/** What a job may have very much of goes first, in batches, so that what goes with its row is little. */
async function removeJobs(work: Work, pruned: Pruned, jobIds: string[]): Promise<void> {
  const days = work.keep.jobs;
  await removeLogs(work, pruned, jobIds);
  await removeEvents(work, pruned, { jobIds, days });
  await work.inBatches(
    (em, batch) => count(pruneJobs(em, { job_ids: jobIds, days, batch })),
    (rows) => (pruned.jobs += rows),
  );
}

async function count(rows: Promise<Removed[]>): Promise<number> {
  const [row] = await rows;
  if (row === undefined) throw new Error('A statement that counts what it removed did not tell');
  return row.removed;
}
