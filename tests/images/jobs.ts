import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { until } from '../support/until.ts';

/** On a machine that does much else, a server may take its time. */
export const PATIENCE_MS = 120_000;
export const BUCKET = 'my-bucket';
/** Of the agents of docker-compose.yml. */
const GROUP = 'compose';

export interface Place {
  url: string;
  key: string;
  /** Aborted when it has taken too long. */
  late?: AbortSignal;
}

/** Submits jobs of the examples, which compute, save and upload, and waits for all of them, through whichever server answers. */
export async function completeJobs(place: Place, count: number): Promise<void> {
  const ids = [];
  for (let index = 0; index < count; index += 1) {
    const script = ['/kelpie/client-examples/jobs/monte-carlo.ts', '--steps', '6', '--seed', String(index)];
    ids.push(await submit(place, { command: 'node', arguments: script, container_group_id: GROUP }));
  }
  for (const id of ids) await completion(place, id);
}

/** One that needs no more than a shell, for agents in images of others. */
export async function completeShellJob(place: Place, group: string): Promise<void> {
  const script = 'mkdir -p checkpoints output && echo saved > checkpoints/last && echo done > output/result';
  await completion(place, await submit(place, { command: 'sh', arguments: ['-c', script], container_group_id: group }));
}

/** @returns its id */
async function submit(place: Place, job: object): Promise<string> {
  const name = randomBytes(4).toString('hex');
  const upload = (folder: string) => [
    { bucket: BUCKET, prefix: `${name}/${folder}/`, local_path: folder, direction: 'upload' },
  ];
  const body = JSON.stringify({ ...job, sync: { during: upload('checkpoints'), after: upload('output') } });
  // As a client should: what was lost on the way, when a server goes, is sent again, and is the same job.
  const headers = { 'X-Kelpie-Key': place.key, 'Idempotency-Key': name };
  const take = async (): Promise<string | undefined> => {
    place.late?.throwIfAborted();
    const response = await fetch(`${place.url}/jobs`, { method: 'POST', headers, body });
    if ([502, 503].includes(response.status)) return undefined;
    assert.equal(response.status, 202, await response.clone().text());
    return z.object({ id: z.string() }).parse(await response.json()).id;
  };
  return until('a job to be taken', take, PATIENCE_MS);
}

const states = z.object({ status: z.enum(['pending', 'running', 'completed', 'failed', 'canceled']) });

async function completion({ url, key, late }: Place, id: string): Promise<void> {
  const isCompleted = async (): Promise<boolean> => {
    late?.throwIfAborted();
    const answer = await fetch(`${url}/jobs/${id}`, { headers: { 'X-Kelpie-Key': key } });
    if (!answer.ok) return false;
    const { status } = states.parse(await answer.json());
    if (status === 'failed' || status === 'canceled') throw new Error(`Job ${id} has ${status}`);
    return status === 'completed';
  };
  await until(`job ${id} to be completed`, isCompleted, PATIENCE_MS);
}

/** node tests/images/jobs.ts URL KEY: as many jobs as docker-compose.yml has agents, where it runs. */
if (import.meta.main) {
  const [url = 'http://127.0.0.1:4000', key = ''] = process.argv.slice(2);
  await completeJobs({ url, key }, 3);
  process.stdout.write('3 jobs were completed\n');
}
