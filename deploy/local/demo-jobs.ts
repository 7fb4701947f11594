import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { GROUP } from './agent.ts';
import { BUCKET, type Stack } from './stack.ts';

/** A Monte Carlo run, as a person would submit it. */
export interface DemoJob extends Size {
  id: string;
}

interface Size {
  name: string;
  steps: number;
  seed: number;
  pauseMs: number;
}

const script = join(import.meta.dirname, '../../client-examples/jobs/monte-carlo.ts');
const heartbeatInterval = 2;

export async function submitByRest(stack: Stack, size: Size): Promise<DemoJob> {
  const { sync, ...job } = description(size);
  const entry = ({ localPath, direction, ...rest }: (typeof sync.before)[number]) => ({
    ...rest,
    local_path: localPath,
    direction: direction.toLowerCase(),
  });
  const response = await fetch(`${stack.url}/jobs`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': stack.key },
    body: JSON.stringify({
      ...job,
      container_group_id: GROUP,
      heartbeat_interval: heartbeatInterval,
      sync: { before: sync.before.map(entry), during: sync.during.map(entry), after: sync.after.map(entry) },
    }),
  });
  if (response.status !== 202) throw new Error(`POST /jobs answered ${response.status}: ${await response.text()}`);
  const { id } = z.object({ id: z.string() }).parse(await response.json());
  return { id, ...size };
}

const Submitted = z.object({ data: z.object({ submitJob: z.object({ id: z.string() }) }) });

export async function submitByGraphql(stack: Stack, size: Size): Promise<DemoJob> {
  const response = await fetch(`${stack.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': stack.key },
    body: JSON.stringify({
      query: `mutation Submit($input: SubmitJobInput!) {
        submitJob(input: $input) { ... on Job { id } ... on Failure { code message } }
      }`,
      variables: { input: { ...description(size), containerGroupId: GROUP, heartbeatInterval } },
    }),
  });
  const answer: unknown = await response.json();
  const parsed = Submitted.safeParse(answer);
  if (!parsed.success) throw new Error(`submitJob answered ${JSON.stringify(answer)}`);
  return { id: parsed.data.data.submitJob.id, ...size };
}

/** The job without the names that differ between REST and GraphQL. */
function description({ name, ...size }: Size) {
  const checkpoints = {
    bucket: BUCKET,
    prefix: `${name}/checkpoints/`,
    localPath: 'checkpoints',
    pattern: 'checkpoint-*.json',
  };
  return {
    name,
    command: process.execPath,
    arguments: [script, ...flags(size), '--checkpoints', 'checkpoints', '--output', 'output'],
    sync: {
      before: [{ ...checkpoints, direction: 'DOWNLOAD' }],
      during: [{ ...checkpoints, direction: 'UPLOAD' }],
      after: [
        { bucket: BUCKET, prefix: `${name}/output/`, localPath: 'output', pattern: '*.json', direction: 'UPLOAD' },
      ],
    },
  };
}

function flags({ steps, seed, pauseMs }: Omit<Size, 'name'>): string[] {
  return ['--steps', String(steps), '--seed', String(seed), '--pause-ms', String(pauseMs)];
}

const Result = z.object({ pi: z.number(), steps: z.number(), resumedAfterStep: z.number() });
type Result = z.output<typeof Result>;

/** What the job has left in the bucket. */
export async function resultOf(stack: Stack, job: DemoJob): Promise<Result> {
  const client = new S3Client({
    endpoint: stack.s3Url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  try {
    const object = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: `${job.name}/output/result.json` }));
    return Result.parse(JSON.parse((await object.Body?.transformToString()) ?? ''));
  } finally {
    client.destroy();
  }
}

/** The same run, here and uninterrupted. */
export async function referenceOf(job: DemoJob, directory: string): Promise<Result> {
  const cwd = join(directory, `reference-${job.name}`);
  const output = join(cwd, 'output');
  await promisify(execFile)(process.execPath, [
    script,
    ...flags({ ...job, pauseMs: 0 }),
    '--checkpoints',
    join(cwd, 'checkpoints'),
    '--output',
    output,
  ]);
  return Result.parse(JSON.parse(await readFile(join(output, 'result.json'), 'utf8')));
}
