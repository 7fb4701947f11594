import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { GROUP } from '../deploy/local/agent.ts';
import { startStack, type Stack } from '../deploy/local/stack.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { quantile, rounded, say } from './support/stats.ts';

/**
 * How long from a submission until the command runs on an agent that waits, and from the command's exit until the job is
 * COMPLETED with nothing to upload? The whole product is running as it would: server, agent and S3 are processes of their own.
 * Each job writes the time at which its command started, and the time at which it was about to exit, by the same machine's clock
 * as ours; COMPLETED is the database's own time of it.
 *
 * A third of the jobs write no log, so that nothing is shipped, a third write some lines, which the agent ships, and a third write as fast
 * as a pipe takes it: by turns, some of one kind after another, because what is shipped of a job comes late enough to meet the next one. A
 * flood is written twice: first to `cat`, by which the machine's own pace is known, then to the agent.
 */
const JOBS = 300;
const WARM_UP = 10;
const TURN = 10;
const LINES = 200;
const FLOOD_MIB = 16;

const KINDS = ['SILENT', 'LINES', 'FLOOD'] as const;
type Kind = (typeof KINDS)[number];

/** Starting `date` twice takes some milliseconds that belong to the command: they count against us, not for us. */
const FLOOD = `yes 'epoch 1 of training, loss 0.5' | head -c ${FLOOD_MIB * 2 ** 20}`;
const scriptOf: Record<Kind, (stamp: (name: string) => string) => string> = {
  SILENT: (stamp) => `${stamp('start')}; ${stamp('end')}`,
  LINES: (stamp) => `${stamp('start')}; seq -f 'epoch %g of training, loss 0.5' ${LINES}; ${stamp('end')}`,
  FLOOD: (stamp) => `${stamp('start')}; ${FLOOD} | cat > /dev/null; ${stamp('piped')}; ${FLOOD}; ${stamp('end')}`,
};

interface Sample {
  kind: Kind;
  startedMs: number;
  doneMs: number;
  seenMs: number;
  /** How long a flood took to be written, to `cat` and to the agent. */
  flood: { alone: number; shipped: number } | undefined;
}

export const latency = benchmark(
  'How long from a submission until the command runs, and from its exit until the job is COMPLETED?',
  {},
  measure,
);

async function measure(): Promise<Figures> {
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
      const kind = KINDS[Math.floor((index + WARM_UP) / TURN) % KINDS.length] ?? 'SILENT';
      const sample = await one(stack, client, { file: join(stamps, `${index}`), kind });
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
async function one(stack: Stack, client: Client, { file, kind }: { file: string; kind: Kind }): Promise<Sample> {
  const script = scriptOf[kind]((name) => `date +%s%N > ${file}.${name}`);
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
  const piped = kind === 'FLOOD' ? await stamp(`${file}.piped`) : undefined;
  const flood = piped === undefined ? undefined : { alone: piped - started, shipped: ended - piped };
  return { kind, startedMs: started - submitted, doneMs: completedAt - ended, seenMs: seen - ended, flood };
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
  const of = (kind: Kind): Sample[] => all.filter((sample) => sample.kind === kind);
  const figuresOf = (samples: Sample[]) => {
    const at = (share: number, of: (sample: Sample) => number): number => rounded(quantile(samples.map(of), share));
    return {
      p50_ms: at(0.5, ({ startedMs }) => startedMs),
      p95_ms: at(0.95, ({ startedMs }) => startedMs),
      done_p50_ms: at(0.5, ({ doneMs }) => doneMs),
      done_p95_ms: at(0.95, ({ doneMs }) => doneMs),
      seen_p50_ms: at(0.5, ({ seenMs }) => seenMs),
      n: samples.length,
    };
  };
  const names = { SILENT: 'no log', LINES: `${LINES} lines`, FLOOD: `${FLOOD_MIB} MiB of log` };
  say(`p50 and p95 in ms${' '.repeat(15)} submit → started | exited → COMPLETED | exited → subscriber told`);
  for (const kind of KINDS) {
    const { p50_ms, p95_ms, done_p50_ms, done_p95_ms, seen_p50_ms, n } = figuresOf(of(kind));
    const title = `${names[kind]} (n = ${n})`.padEnd(32);
    say(`  ${title} ${p50_ms}, ${p95_ms} | ${done_p50_ms}, ${done_p95_ms} | ${seen_p50_ms}`);
  }
  const floods = all.flatMap(({ flood }) => flood ?? []);
  const flood_alone_p50_ms = rounded(
    quantile(
      floods.map(({ alone }) => alone),
      0.5,
    ),
  );
  const flood_p50_ms = rounded(
    quantile(
      floods.map(({ shipped }) => shipped),
      0.5,
    ),
  );
  say(`  ${FLOOD_MIB} MiB were written to cat in ${flood_alone_p50_ms} ms, to the agent in ${flood_p50_ms} ms (p50)`);
  const { p50_ms: logs_p50_ms, p95_ms: logs_p95_ms } = figuresOf(of('LINES'));
  const flooded = figuresOf(of('FLOOD'));
  return {
    ...figuresOf(of('SILENT')),
    ...{ logs_p50_ms, logs_p95_ms, flood_started_p50_ms: flooded.p50_ms, flood_done_p50_ms: flooded.done_p50_ms },
    ...{ flood_alone_p50_ms, flood_p50_ms },
  };
}
