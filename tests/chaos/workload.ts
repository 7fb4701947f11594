import { join } from 'node:path';
import { z } from 'zod';
import { isAborted, pause } from '../../lib/pause.ts';
import { repeatUntilAnswered } from '../../lib/repeat.ts';
import type { CancelAnswer } from './facts.ts';
import type { JobTask } from './job.ts';
import { type JobPlan, planJob } from './plans.ts';
import type { Random } from './random.ts';
import { BUCKET, GROUP, type World } from './world.ts';

/** A job that was stored, and what came of the wish to cancel it. */
export interface Submitted {
  plan: JobPlan;
  id: string;
  cancel: CancelAnswer | undefined;
}

export interface Workload {
  submitted: readonly Submitted[];
  /** Submits one job after the other, so that some always wait, until `over` is aborted. */
  feed(over: AbortSignal): Promise<void>;
  /** Waits until every cancel that has begun was answered. */
  settled(): Promise<void>;
}

const ALWAYS_WAITING = 3;
const LOOK_EVERY_MS = 150;
const REPEAT = { baseMs: 100, capMs: 1_000, tryMs: 6_000 };

/** @param stopping ends every wait */
export function createWorkload(world: World, random: Random, stopping: AbortSignal): Workload {
  const submitted: Submitted[] = [];
  const canceling: Promise<void>[] = [];
  /** By name: those that are to be canceled when the store hears of them. */
  const awaited = new Map<string, Submitted>();

  world.door.onRequest = ({ method, key }) => {
    const [name = '', directory] = key.split('/');
    const job = awaited.get(name);
    const isMoment = job?.plan.cancel?.when === 'CLAIMED' || (method === 'PUT' && directory === 'output');
    if (job === undefined || !isMoment) return;
    awaited.delete(name);
    canceling.push(cancel(job));
  };

  async function cancel(job: Submitted): Promise<void> {
    const answer = await repeatUntilAnswered(() => cancelOnce(world, job.id), { ...REPEAT, signal: stopping });
    job.cancel = answer;
  }

  async function submitNext(): Promise<void> {
    const plan = planJob(random, submitted.length);
    const id = await repeatUntilAnswered(() => submit(world, plan), { ...REPEAT, signal: stopping });
    if (id === undefined) return;
    const job: Submitted = { plan, id, cancel: undefined };
    submitted.push(job);
    if (plan.cancel?.when === 'LATER') {
      canceling.push(pause(plan.cancel.afterMs, stopping).then(() => cancel(job)));
    } else if (plan.cancel !== undefined) awaited.set(plan.name, job);
  }

  return {
    submitted,
    async feed(over) {
      while (!over.aborted) {
        const waiting = await waitingJobs(world);
        for (let left = ALWAYS_WAITING - waiting; left > 0 && !isAborted(over); left--) await submitNext();
        await pause(LOOK_EVERY_MS, over);
      }
    },
    async settled() {
      awaited.clear();
      await Promise.all(canceling);
    },
  };
}

/** None more than there should be while the database is away. */
async function waitingJobs({ database }: World): Promise<number> {
  const rows = await database
    .query<{ count: number }>(`select count(*)::int as count from jobs where status = 'PENDING'`)
    .catch(() => undefined);
  return rows?.[0]?.count ?? ALWAYS_WAITING;
}

const SUBMIT = `mutation Submit($input: SubmitJobInput!) {
  submitJob(input: $input) { ... on Job { id } ... on Failure { message } }
}`;

/** Whether an earlier try was heard nobody knows, so all tries share a key. */
async function submit(world: World, plan: JobPlan): Promise<string> {
  const folder = `jobs/${plan.name}`;
  const task: JobTask = { plan, record: join(world.directory, 'records', `${plan.name}.jsonl`), folder };
  const checkpoints = {
    bucket: BUCKET,
    prefix: `${plan.name}/checkpoints/`,
    localPath: `${folder}/checkpoints`,
    pattern: 'checkpoint-*.bin',
  };
  const output = { bucket: BUCKET, prefix: `${plan.name}/output/`, localPath: `${folder}/output` };
  const input = {
    name: plan.name,
    idempotencyKey: plan.name,
    command: process.execPath,
    arguments: [join(import.meta.dirname, 'job.ts'), JSON.stringify(task)],
    containerGroupId: GROUP,
    compression: plan.compression,
    heartbeatInterval: plan.heartbeatInterval,
    maxFailures: plan.maxFailures,
    ...(plan.webhook ? { webhook: world.receiver.url } : {}),
    sync: {
      before: [{ ...checkpoints, direction: 'DOWNLOAD' }],
      during: [{ ...checkpoints, direction: 'UPLOAD' }],
      after: [{ ...output, direction: 'UPLOAD' }],
    },
  };
  const answer = await world.api.ask(world.keys.owner, SUBMIT, { input });
  return z.object({ submitJob: z.object({ id: z.string() }) }).parse(answer).submitJob.id;
}

const Canceled = z.object({
  cancelJob: z.discriminatedUnion('__typename', [
    z.object({ __typename: z.literal('Job'), status: z.literal('CANCELED') }),
    z.object({ __typename: z.literal('Conflict') }),
  ]),
});

async function cancelOnce(world: World, id: string): Promise<CancelAnswer> {
  const query = 'mutation Cancel($id: ID!) { cancelJob(id: $id) { __typename ... on Job { status } } }';
  const answer = await world.api.ask(world.keys.owner, query, { id });
  return Canceled.parse(answer).cancelJob.__typename === 'Job' ? 'CANCELED' : 'CONFLICT';
}
