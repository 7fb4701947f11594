import { Account } from '../../db/entities/account.ts';
import type { JobStatus } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import type { Viewer } from '../accounts/keys.ts';
import { transact, type Core, type OnceCommitted } from '../core.ts';
import { namedIds, type JobFilter } from './find.ts';
import { patternsOf } from './search.ts';
import type { InTime } from './searches.ts';

interface LockParameters {
  account_id: string;
  after: string;
  up_to: string;
  statuses: readonly string[];
  container_group_id: string | null;
  machine_id: string | null;
  labels: Record<string, unknown> | null;
  ids: readonly string[] | null;
  search: readonly string[] | null;
  batch: number;
}

/** A job as a walk over many meets it: its row is held. */
export interface LockedJob {
  id: string;
  status: JobStatus;
  position: string;
}

const lockStatement = statement<{ [name in keyof LockParameters]: LockParameters[name] }, LockedJob>('lock-jobs');
const newestStatement = statement<{ account_id: string }, { position: string }>('newest-position');

/** So many rows are held at once: a claim or a report of one of them waits no longer than for a few milliseconds. */
const BATCH = 500;

/**
 * Does something to every job of an account that a filter names and that was submitted before now, in transactions of bounded
 * size, in the order of submission. What was done before a fault stays done; doing it again goes on from there.
 * Throws as `listJobs` does.
 */
export async function inBatches(
  core: Core,
  accountId: string,
  filter: JobFilter & { status: readonly JobStatus[] },
  work: (em: EntityManager, jobs: readonly LockedJob[], onceCommitted: OnceCommitted) => Promise<void>,
): Promise<void> {
  const [newest] = await newestStatement(core.em.fork(), { account_id: accountId });
  if (newest === undefined) throw new Error('The database did not tell the newest position');
  for (let after: string | undefined = FIRST; after !== undefined;) {
    const from: string = after;
    const jobs = await inTurn(core, { accountId, filter, isPatient: from !== FIRST }, (inTime) =>
      transact(core, async (em, onceCommitted) => {
        const locked = await inTime(em, () => lockStatement(em, parameters(accountId, filter, from, newest.position)));
        if (locked.length > 0) await work(em, locked, onceCommitted);
        return locked;
      }),
    );
    after = jobs.length < BATCH ? undefined : jobs.at(-1)?.position;
  }
}

const FIRST = '0';

/** A walk that searches has a turn for each of its steps: it may be long. What has begun goes on, however long the others take. */
function inTurn<Result>(
  core: Core,
  { accountId, filter: { search }, isPatient }: { accountId: string; filter: JobFilter; isPatient: boolean },
  step: (inTime: InTime) => Promise<Result>,
): Promise<Result> {
  return search === undefined ? step((_em, ask) => ask()) : core.searches.hold(accountId, step, { isPatient });
}

/** The accounts whose jobs a viewer may act on: its own; the admin's are everybody's. */
export async function accountsWithin(core: Core, viewer: Viewer): Promise<string[]> {
  if (!viewer.isAdmin) return [viewer.accountId];
  const accounts = await core.em.fork().find(Account, {}, { orderBy: { id: 'asc' } });
  return accounts.map(({ id }) => id);
}

function parameters(
  accountId: string,
  filter: JobFilter & { status: readonly JobStatus[] },
  after: string,
  upTo: string,
): LockParameters {
  return {
    account_id: accountId,
    after,
    up_to: upTo,
    statuses: filter.status,
    container_group_id: filter.containerGroupId ?? null,
    machine_id: filter.machineId ?? null,
    labels: filter.labels ?? null,
    ids: filter.ids === undefined ? null : namedIds(filter.ids),
    search: filter.search === undefined ? null : patternsOf(filter.search),
    batch: BATCH,
  };
}
