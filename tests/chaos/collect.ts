import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { digest } from './computation.ts';
import type { AttemptRow, DeliveryRow, EventRow, Facts, JobFacts, JobRow, RecordEntry } from './facts.ts';
import type { Trouble } from './inject.ts';
import type { Workload } from './workload.ts';
import { BUCKET, type World } from './world.ts';

/** Asks everybody who took part: the database, the bucket, the doors, and the jobs themselves. */
export async function collectFacts(world: World, workload: Workload, trouble: Trouble): Promise<Facts> {
  return {
    jobs: await jobFacts(world, workload),
    agents: world.fleet.agents,
    writes: world.door.writes,
    objects: await bucketContents(world),
    receipts: world.receiver.receipts,
    reports: trouble.reports,
    faults: trouble.injected,
    deaths: world.deaths,
  };
}

type OfJob<Row> = Row & { jobId: string };

const JOBS = `
  select id, status, status_reason as "statusReason", attempt_number as "attemptNumber", num_failures as "numFailures",
         num_interruptions as "numInterruptions", num_sync_failures as "numSyncFailures",
         (extract(epoch from completed_at) * 1000)::float8 as "completedAt"
  from jobs`;

const ATTEMPTS = `
  select job_id as "jobId", number, machine_id as "machineId", agent_id as "agentId", outcome, reason,
         (extract(epoch from started_at) * 1000)::float8 as "startedAt", (extract(epoch from ended_at) * 1000)::float8 as "endedAt"
  from attempts order by job_id, number`;

const EVENTS = `
  select job_id as "jobId", seq, type, attempt, data, (extract(epoch from at) * 1000)::float8 as at
  from job_events order by job_id, seq`;

const DELIVERIES = `
  select job_id as "jobId", attempt, status, machine_id as "machineId", delivered_at is not null as delivered
  from webhook_deliveries order by job_id, created_at`;

async function jobFacts({ database, directory }: World, { submitted }: Workload): Promise<JobFacts[]> {
  const rows = new Map((await database.query<JobRow & { id: string }>(JOBS)).map((row) => [row.id, row]));
  const attempts = Map.groupBy(await database.query<OfJob<AttemptRow>>(ATTEMPTS), ({ jobId }) => jobId);
  const events = Map.groupBy(await database.query<OfJob<EventRow>>(EVENTS), ({ jobId }) => jobId);
  const deliveries = Map.groupBy(await database.query<OfJob<DeliveryRow>>(DELIVERIES), ({ jobId }) => jobId);
  return Promise.all(
    submitted.map(async ({ plan, id, cancel }) => {
      const row = rows.get(id);
      if (row === undefined) throw new Error(`${plan.name} was stored as ${id}, and the database has no such job`);
      return {
        ...{ plan, row, cancel },
        attempts: attempts.get(id) ?? [],
        events: events.get(id) ?? [],
        deliveries: deliveries.get(id) ?? [],
        record: await recordOf(join(directory, 'records', `${plan.name}.jsonl`)),
      };
    }),
  );
}

/** Empty for a job that never began. A line that a kill has torn is its last. */
async function recordOf(path: string): Promise<RecordEntry[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as RecordEntry);
}

async function bucketContents({ s3 }: World): Promise<Map<string, string>> {
  const client = new S3Client({
    endpoint: s3.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const digests = new Map<string, string>();
  try {
    for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
      const page = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, ContinuationToken: token }));
      for (const { Key: key = '' } of page.Contents ?? []) {
        const object = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
        const content = Buffer.from((await object.Body?.transformToByteArray()) ?? []);
        const isCompressed = key.endsWith('.gz');
        digests.set(isCompressed ? key.slice(0, -3) : key, digest(isCompressed ? gunzipSync(content) : content));
      }
      token = page.NextContinuationToken;
    }
  } finally {
    client.destroy();
  }
  return digests;
}
