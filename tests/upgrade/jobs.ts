import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { until } from '../support/until.ts';
import { GROUP, PATIENCE_MS, type World } from './world.ts';

/** Seconds; so short that each step sees some heartbeats, and that a lease which is not renewed would run out within it. */
const HEARTBEAT_INTERVAL = 2;
const BEATS = 3;

export interface Jobs {
  /** Submits jobs that run until they are released, and waits until they run. @returns their ids */
  submitHeld(count: number): Promise<string[]>;
  /** Waits until each of them has had some heartbeats more. */
  beat(jobIds: string[]): Promise<void>;
  /** Submits a job that is over at once, with a webhook, and waits until it is completed. */
  complete(what: string): Promise<void>;
  /** Lets the commands end, and waits until their jobs are completed. */
  release(jobIds: string[]): Promise<void>;
  /** @throws when any job has another attempt than its first, or one that ended otherwise than completed */
  demandFirstAttempts(): Promise<void>;
  /** Waits until all that was to be told by webhooks has been. */
  demandWebhooks(): Promise<void>;
}

export async function createJobs(world: World): Promise<Jobs> {
  const { query, receiver } = world;
  const gate = join(world.directory, 'gate');
  execFileSync('mkfifo', [gate]);
  const starts = join(world.directory, 'starts');
  await writeFile(starts, '');
  const told: string[] = [];
  return {
    async submitHeld(count) {
      const script = `echo $KELPIE_JOB_ID >> ${starts}; cat ${gate}`;
      const job = { command: 'sh', arguments: ['-c', script] };
      const ids = await Promise.all(Array.from({ length: count }, () => submit(world, job)));
      const haveStarted = async () => {
        const text = await readFile(starts, 'utf8');
        return ids.every((id) => text.includes(id));
      };
      await until('all commands to run', haveStarted, PATIENCE_MS);
      return ids;
    },
    async beat(jobIds) {
      const before = await beats(world, jobIds);
      const haveBeaten = async () =>
        [...(await beats(world, jobIds))].every(([id, number]) => number >= (before.get(id) ?? 0) + BEATS);
      await until('heartbeats of all jobs', haveBeaten, PATIENCE_MS);
    },
    async complete(what) {
      const id = await submit(world, { command: 'true', webhook: `${receiver.url}/hook` });
      told.push(`${id} running`, `${id} completed`);
      await completion(world, what, [id]);
    },
    async release(jobIds) {
      // Whoever reads is let go by the first writer that closes.
      await writeFile(gate, '');
      await completion(world, 'the released jobs', jobIds);
    },
    async demandFirstAttempts() {
      const wrong = await query(
        `select job_id, number, outcome, reason from attempts where number > 1 or outcome <> 'COMPLETED'`,
      );
      if (wrong.length > 0) throw new Error(`Expected first attempts only, got ${JSON.stringify(wrong)}`);
    },
    async demandWebhooks() {
      const wereTold = () => {
        const came = receiver.received.map(({ body }) => hook.parse(JSON.parse(body)));
        const known = new Set(came.map(({ job_id: id, status }) => `${id} ${status}`));
        return told.every((one) => known.has(one));
      };
      await until('all webhooks', wereTold, PATIENCE_MS);
    },
  };
}

const hook = z.object({ job_id: z.string(), status: z.string() });

async function submit({ url, keys }: World, job: object): Promise<string> {
  const response = await fetch(`${url}/jobs`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': keys.owner },
    body: JSON.stringify({ container_group_id: GROUP, heartbeat_interval: HEARTBEAT_INTERVAL, ...job }),
  });
  if (response.status !== 202) throw new Error(`A submission was answered with ${await response.text()}`);
  return ((await response.json()) as { id: string }).id;
}

/** How many heartbeats each has had. */
async function beats({ query }: World, jobIds: string[]): Promise<Map<string, number>> {
  const rows = await query<{ job_id: string; num_heartbeats: number }>(
    'select job_id, num_heartbeats from attempts where job_id = any($1)',
    [jobIds],
  );
  return new Map(rows.map((row) => [row.job_id, row.num_heartbeats]));
}

async function completion({ query }: World, what: string, jobIds: string[]): Promise<void> {
  const areCompleted = async () => {
    const rows = await query<{ status: string }>('select status from jobs where id = any($1)', [jobIds]);
    return rows.every(({ status }) => status === 'COMPLETED');
  };
  await until(`${what} to complete`, areCompleted, PATIENCE_MS);
}
