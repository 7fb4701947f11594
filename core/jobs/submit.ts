import { randomUUID } from 'node:crypto';
import type { EntityData } from '@mikro-orm/core';
import { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { ConflictError, InvalidInputError } from '../errors.ts';
import { MAX_BATCH } from './fields.ts';
import type { Submission as TracedSubmission } from '../traces/job-traces.ts';
import { specHash, type JobSpec } from './spec.ts';

const insertStatement = statement<{ account_id: string; api_key_id: string; jobs: string }, EntityData<Job>>(
  'insert-jobs',
);
const lockKeys = statement<{ account_id: string; keys: readonly string[] }, unknown>('lock-idempotency-keys');

/**
 * Stores jobs in one transaction, in the given order: all or none. A job whose idempotency key is known is the job that was
 * stored first (rule 14).
 * @throws InvalidInputError for an empty or too large batch
 * @throws ConflictError when an idempotency key is known with another body
 */
export async function submitJobs(core: Core, viewer: Viewer, specs: readonly JobSpec[]): Promise<Job[]> {
  return submit(core, viewer, specs, (spec) =>
    spec.idempotencyKey === null ? ANONYMOUS : { key: spec.idempotencyKey, hash: specHash(spec) },
  );
}

/**
 * The same under one key for the whole batch: it stands for these jobs in this order, and with any other batch it is a conflict.
 * Of the jobs that it stored, one that was purged since is stored anew.
 */
export async function submitBatch(
  core: Core,
  viewer: Viewer,
  specs: readonly JobSpec[],
  batchKey: string,
): Promise<Job[]> {
  const hash = specHash(specs);
  // No key that anybody can choose has a line break in it, so this is no other submission's key.
  return submit(core, viewer, specs, (_, index) => ({ key: `${batchKey}\n${index}`, hash }));
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

/** What makes a job the same as one that was stored before: its key, and the hash of what the key stands for. */
type Identity = { key: string; hash: string } | { key: null; hash: null };

const ANONYMOUS = { key: null, hash: null } as const;

type Submission = { spec: JobSpec } & Identity;

async function submit(
  core: Core,
  viewer: Viewer,
  specs: readonly JobSpec[],
  identityOf: (spec: JobSpec, index: number) => Identity,
): Promise<Job[]> {
  demand(viewer, 'submit');
  if (specs.length < 1 || specs.length > MAX_BATCH) {
    throw new InvalidInputError([{ path: [], message: `Expected 1 to ${MAX_BATCH} jobs, got ${specs.length}` }]);
  }
  const submissions = specs.map((spec, index) => ({ spec, ...identityOf(spec, index) }));
  const trace = core.traces.submission(specs.length);
  return transact(core, async (em, onceCommitted) => {
    const jobs = await store(em, viewer, submissions, trace);
    onceCommitted(() => trace.stored(jobs));
    return jobs;
  });
}

async function store(
  em: EntityManager,
  viewer: Viewer,
  submissions: readonly Submission[],
  trace: TracedSubmission,
): Promise<Job[]> {
  const found = await findByIdempotencyKeys(em, viewer, submissions);
  const byKey = new Map(found.map((job) => [job.idempotencyKey, { id: job.id, hash: job.requestHash }]));
  const rows: NewRow[] = [];
  const ids = submissions.map(({ spec, key, hash }, index) => {
    const first = key === null ? undefined : byKey.get(key);
    if (first !== undefined) {
      demandSameBody(first, hash, index);
      return first.id;
    }
    const id = randomUUID();
    rows.push(rowOf(spec, { id, idempotency_key: key, request_hash: hash, trace_parent: trace.begin(id) }));
    if (key !== null) byKey.set(key, { id, hash });
    return id;
  });
  for (const job of found) replayed.add(job);
  const jobs = new Map([...found, ...(await insert(em, viewer, rows))].map((job) => [job.id, job]));
  return ids.flatMap((id) => jobs.get(id) ?? []);
}

async function findByIdempotencyKeys(
  em: EntityManager,
  viewer: Viewer,
  submissions: readonly Submission[],
): Promise<Job[]> {
  const keys = submissions.flatMap(({ key }) => (key === null ? [] : [key]));
  if (keys.length === 0) return [];
  await lockKeys(em, { account_id: viewer.accountId, keys });
  return em.find(Job, { accountId: viewer.accountId, idempotencyKey: { $in: keys } });
}

function demandSameBody(first: { id: string; hash: string | null }, hash: string | null, index: number): void {
  if (first.hash === hash) return;
  throw new ConflictError(
    `The idempotency key of job ${index} was used before with another body, for job ${first.id}. Use a new key for a new job.`,
  );
}

async function insert(em: EntityManager, viewer: Viewer, rows: readonly NewRow[]): Promise<Job[]> {
  if (rows.length === 0) return [];
  const { accountId, keyId } = viewer;
  const stored = await insertStatement(em, { account_id: accountId, api_key_id: keyId, jobs: JSON.stringify(rows) });
  return stored.map((row) => em.map(Job, row));
}

type NewRow = ReturnType<typeof rowOf>;

/** As the statement reads it. */
function rowOf(
  spec: JobSpec,
  own: { id: string; idempotency_key: string | null; request_hash: string | null; trace_parent: string | null },
) {
  return {
    ...own,
    name: spec.name,
    command: spec.command,
    arguments: spec.arguments,
    environment: spec.environment,
    container_group_id: spec.containerGroupId,
    sync: spec.sync,
    legacy_sync: spec.legacySync,
    compression: spec.compression,
    webhook: spec.webhook,
    priority: spec.priority,
    labels: spec.labels,
    max_failures: spec.maxFailures,
    max_interruptions: spec.maxInterruptions,
    timeout_seconds: spec.timeoutSeconds,
    stall_timeout_seconds: spec.stallTimeoutSeconds,
    heartbeat_interval: spec.heartbeatInterval,
  };
}
