import { randomUUID } from 'node:crypto';
import { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { ConflictError, InvalidInputError } from '../errors.ts';
import { publish } from '../events/publish.ts';
import { MAX_BATCH } from './fields.ts';
import { specHash, type JobSpec } from './spec.ts';

const lockKeys = statement<{ account_id: string; keys: readonly string[] }, unknown>('lock-idempotency-keys');

/**
 * Stores jobs in one transaction, in the given order: all or none. A job whose idempotency key is known is the job that was
 * stored first (rule 14).
 * @throws InvalidInputError for an empty or too large batch
 * @throws ConflictError when an idempotency key is known with another body
 */
export async function submitJobs(core: Core, viewer: Viewer, specs: readonly JobSpec[]): Promise<Job[]> {
  demand(viewer, 'submit');
  if (specs.length < 1 || specs.length > MAX_BATCH) {
    throw new InvalidInputError([{ path: [], message: `Expected 1 to ${MAX_BATCH} jobs, got ${specs.length}` }]);
  }
  return transact(core, (em) => store(em, viewer, specs));
}

/** The one-job form of `submitJobs`. */
export async function submitJob(core: Core, viewer: Viewer, spec: JobSpec): Promise<Job> {
  const [job] = await submitJobs(core, viewer, [spec]);
  if (job === undefined) throw new Error('A submission of one job stored none');
  return job;
}

/** Jobs as a submission got them, whose submission had been stored before. */
const replayed = new WeakSet<Job>();

/** Whether the submission that gave this very job has stored nothing, because it was known by its idempotency key. */
export function wasReplayed(job: Job): boolean {
  return replayed.has(job);
}

async function store(em: EntityManager, viewer: Viewer, specs: readonly JobSpec[]): Promise<Job[]> {
  const known = await findByIdempotencyKeys(em, viewer, specs);
  const jobs = specs.map((spec, index) => {
    const hash = specHash(spec);
    const first = spec.idempotencyKey === null ? undefined : known.get(spec.idempotencyKey);
    if (first !== undefined) return sameBody(first, hash, index);
    const job = create(em, viewer, spec, hash);
    if (spec.idempotencyKey !== null) known.set(spec.idempotencyKey, job);
    return job;
  });
  await em.flush();
  return jobs;
}

async function findByIdempotencyKeys(
  em: EntityManager,
  viewer: Viewer,
  specs: readonly JobSpec[],
): Promise<Map<string, Job>> {
  const keys = specs.flatMap((spec) => (spec.idempotencyKey === null ? [] : [spec.idempotencyKey]));
  if (keys.length === 0) return new Map();
  await lockKeys(em, { account_id: viewer.accountId, keys });
  const jobs = await em.find(Job, { accountId: viewer.accountId, idempotencyKey: { $in: keys } });
  return new Map(jobs.flatMap((job) => (job.idempotencyKey === null ? [] : [[job.idempotencyKey, job]])));
}

function sameBody(first: Job, hash: string, index: number): Job {
  if (first.requestHash === hash) {
    replayed.add(first);
    return first;
  }
  throw new ConflictError(
    `The idempotency key of job ${index} was used before with another body, for job ${first.id}. Use a new key for a new job.`,
  );
}

function create(em: EntityManager, viewer: Viewer, spec: JobSpec, hash: string): Job {
  const job = em.create(Job, {
    ...spec,
    id: randomUUID(),
    accountId: viewer.accountId,
    apiKeyId: viewer.keyId,
    status: 'PENDING',
    requestHash: spec.idempotencyKey === null ? null : hash,
    eventSeq: 0,
    statusReason: null,
    machineId: null,
    bannedMachineId: null,
    resumableAttempt: null,
    startedAt: null,
    completedAt: null,
    canceledAt: null,
    failedAt: null,
  });
  publish(em, job, 'SUBMITTED', { data: { priority: spec.priority } });
  return job;
}
