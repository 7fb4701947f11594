import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { GROUP } from '../deploy/local/agent.ts';
import { startStack, type Stack } from '../deploy/local/stack.ts';
import { quantile, rounded, say } from './support/stats.ts';

/**
 * How long from a submission until the command runs on an agent that waits, and from the command's exit until the job is
 * COMPLETED with nothing to upload? The whole product is running as it would: server, agent and S3 are processes of their own.
 * Each job writes the time at which its command started, and the time at which it was about to exit, by the same machine's clock
 * as ours; COMPLETED is the database's own time of it.
 *
 * Half of the jobs write a log, which the agent ships, and half write none, so that nothing is shipped: by turns, some of one kind after
 * another, because what is shipped of a job comes late enough to meet the next one.
 */
const JOBS = 200;
const WARM_UP = 10;
const TURN = 10;
const LINES = 200;

interface Sample {
  hasLog: boolean;
  startedMs: number;
  doneMs: number;
  seenMs: number;
}

export async function latency(): Promise<Record<string, unknown>> {
  const directory = await makeTemporaryDirectory('kelpie-latency-');
  const stack = await startStack({ directory, agents: 1, ports: { server: 4000, s3: 9000 } });
  const client = createClient({
    url: `${stack.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-Kelpie-Key': stack.key },
  });
  try {
    const stamps = join(directory, 'stamps');
    await mkdir(stamps);
    const samples: Sample[] = [];
    say(`Submitting ${JOBS} jobs, one after another, to one idle agent`);
    for (let index = -WARM_UP; index < JOBS; index++) {
      const hasLog = Math.floor(index / TURN) % 2 !== 0;
      const sample = await one(stack, client, { file: join(stamps, `${index}`), hasLog });
      if (index >= 0) samples.push(sample);
    }
    return report(samples);
  } finally {
    await client.dispose();
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** One job: submitted, followed to its end, its stamps read. */
async function one(stack: Stack, client: Client, { file, hasLog }: { file: string; hasLog: boolean }): Promise<Sample> {
  // Starting `date` twice takes some milliseconds that belong to the command: they count against us, not for us.
  const log = hasLog ? `seq -f 'epoch %g of training, loss 0.5' ${LINES};` : '';
  const script = `date +%s%N > ${file}.start; ${log} date +%s%N > ${file}.end`;
  const submitted = Date.now();
  const response = await fetch(`${stack.url}/jobs`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': stack.key },
    body: JSON.stringify({ command: 'sh', arguments: ['-c', script], container_group_id: GROUP }),
  });
  const { id } = (await response.json()) as { id: string };
  const completedAt = await completion(client, id);
  const seen = Date.now();
  const [started, ended] = await Promise.all([stamp(`${file}.start`), stamp(`${file}.end`)]);
  return { hasLog, startedMs: started - submitted, doneMs: completedAt - ended, seenMs: seen - ended };
}

async function completion(client: Client, id: string): Promise<number> {
  const query = 'subscription ($id: ID!) { jobUpdated(id: $id) { status statusReason completedAt } }';
  for await (const { data } of client.iterate({ query, variables: { id } })) {
    const { jobUpdated: job } = data as { jobUpdated: { status: string; statusReason: string; completedAt: string } };
    if (job.status === 'COMPLETED') return Date.parse(job.completedAt);
    if (job.status === 'FAILED') throw new Error(`A benchmark's job failed: ${job.statusReason}`);
  }
  throw new Error('A subscription ended before its job did');
}

async function stamp(path: string): Promise<number> {
  return Number(BigInt((await readFile(path, 'utf8')).trim()) / 1_000n) / 1_000;
}

function report(all: Sample[]): Record<string, unknown> {
  const samples = all.filter(({ hasLog }) => !hasLog);
  const logged = all.filter(({ hasLog }) => hasLog).map(({ startedMs }) => startedMs);
  const started = samples.map(({ startedMs }) => startedMs);
  const done = samples.map(({ doneMs }) => doneMs);
  const seen = samples.map(({ seenMs }) => seenMs);
  const figures = {
    p50_ms: rounded(quantile(started, 0.5)),
    p95_ms: rounded(quantile(started, 0.95)),
    done_p50_ms: rounded(quantile(done, 0.5)),
    done_p95_ms: rounded(quantile(done, 0.95)),
    seen_p50_ms: rounded(quantile(seen, 0.5)),
    n: samples.length,
    logs_p50_ms: rounded(quantile(logged, 0.5)),
    logs_p95_ms: rounded(quantile(logged, 0.95)),
  };
  say(`submit → command started          p50 ${figures.p50_ms} ms, p95 ${figures.p95_ms} ms (n = ${figures.n})`);
  say(
    `  with logs of ${LINES} lines           p50 ${figures.logs_p50_ms} ms, p95 ${figures.logs_p95_ms} ms (n = ${logged.length})`,
  );
  say(`command exited → COMPLETED        p50 ${figures.done_p50_ms} ms, p95 ${figures.done_p95_ms} ms`);
  say(`command exited → subscriber told  p50 ${figures.seen_p50_ms} ms`);
  return figures;
}
