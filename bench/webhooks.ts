import { createServer } from 'node:http';
import type { Viewer } from '../core/accounts/keys.ts';
import { parseInput } from '../core/input.ts';
import { jobSpecWithoutPatterns } from '../core/jobs/spec.ts';
import { submitJobs } from '../core/jobs/submit.ts';
import { claimJob } from '../core/leases/claim.ts';
import type { OpenCore } from '../core/open.ts';
import { parseRanges } from '../core/webhooks/guard.ts';
import { createSender } from '../core/webhooks/deliver.ts';
import { atMost } from '../lib/pause.ts';
import { listenLocally } from '../lib/port.ts';
import { periodic } from '../lib/service.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { insertDue } from './support/backlog.ts';
import { openOwned } from './support/owned.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { quantile, rounded, say } from './support/stats.ts';

/**
 * Is a webhook late because the same account has ten thousand others for a host that takes a second for each? From the commit of a
 * claim until the receiver has the request: ten without the slow ones, ten beside them, and so on in turn. The slow host is sent what it
 * takes; its backlog is there until the end. And how many a second go to one quick host?
 */
const BACKLOG = 10_000;
const ROUNDS = 20;
const FAST = 10;
const SLOW_MS = 1_000;
/** As many as are under way to one host at once. */
const BUSY = 8;
/** How long the quick host is sent its backlog at most (milliseconds). */
const WINDOW_MS = 40_000;
const ALLOWED = '127.0.0.0/8';

export const webhooks = benchmark(
  'Is a webhook late because its account has ten thousand others for a slow host? And how many a second go to a quick one?',
  {},
  measure,
);

async function measure(): Promise<Figures> {
  const postgres = await startBenchPostgres();
  const quick = await startReceiver(0);
  const slow = await startReceiver(SLOW_MS);
  try {
    const alone = await open(await postgres.database('alone'), quick);
    const beside = await open(await postgres.database('beside'), quick);
    say(`Making ${BACKLOG} deliveries to a host that answers after ${SLOW_MS} ms`);
    await backlog(beside, slow.url);
    const compared = await compare(alone, beside, slow);
    await alone.close();
    await beside.close();

    const many = await open(await postgres.database('many'), quick);
    say(`Making ${BACKLOG} deliveries to one quick host`);
    await backlog(many, quick.url);
    const perSecond = await throughput(many);
    await many.close();
    return report(compared, perSecond);
  } finally {
    await Promise.all([quick.close(), slow.close()]);
    await postgres.stop();
  }
}

interface Receiver {
  url: string;
  /** How many requests have arrived. */
  count(): number;
  /** Resolves, to the time by our clock in milliseconds, when so many have. */
  reached(count: number): Promise<number>;
  close(): Promise<void>;
}

async function startReceiver(answerMs: number): Promise<Receiver> {
  let count = 0;
  const waiting = new Map<number, (at: number) => void>();
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      count += 1;
      waiting.get(count)?.(performance.now());
      waiting.delete(count);
      setTimeout(() => response.end(), answerMs);
    });
  });
  const port = await listenLocally(server);
  return {
    url: `http://127.0.0.1:${port}/`,
    count: () => count,
    reached: async (wanted) =>
      count >= wanted ? performance.now() : new Promise((resolve) => waiting.set(wanted, resolve)),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Side {
  core: OpenCore;
  viewer: Viewer;
  url: string;
  quick: Receiver;
  start(): void;
  /** Begins to send nothing more, and waits for what is under way. */
  pause(): Promise<void>;
  close(): Promise<void>;
}

/** A core with a sender that runs as it does in a server, once it is started. */
async function open(url: string, quick: Receiver): Promise<Side> {
  const onError = (error: Error) => say(`  ${error.message}`);
  const { core, viewer } = await openOwned(url);
  const sender = createSender({ core, allowed: parseRanges(ALLOWED), onRoom: () => loop.poke(), onError });
  const loop = periodic({ name: 'webhooks', everyMs: 1_000, runOnce: () => sender.runOnce(), onError });
  core.onChange('jobs', () => loop.poke());
  return {
    ...{ core, viewer, url, quick },
    start: () => loop.start(),
    pause: async () => {
      await loop.stop();
      await sender.settled();
    },
    close: async () => {
      await loop.stop();
      await sender.stop();
      await core.close();
    },
  };
}

async function backlog(side: Side, webhook: string): Promise<void> {
  await insertDue(side, webhook, BACKLOG);
  await sql(side.url, 'vacuum analyze');
}

interface Compared {
  alone: number[];
  beside: number[];
  /** What reached the slow host, what is still due to it, and for how long it was sent to, in seconds. */
  slow: { arrived: number; due: number; seconds: number };
}

/** In turn, so that what else the machine does falls on both. */
async function compare(alone: Side, beside: Side, slow: Receiver): Promise<Compared> {
  const [aloneMs, besideMs]: [number[], number[]] = [[], []];
  let slowMs = 0;
  for (const side of [alone, beside]) await submitQuick(side, ROUNDS * FAST + 1);
  // The first one of each makes the account's secret and warms up; it is not counted.
  for (const [round, count] of [1, ...Array<number>(ROUNDS).fill(FAST)].entries()) {
    alone.start();
    const without = await latencies(alone, count);
    await alone.pause();
    const began = performance.now();
    beside.start();
    await slow.reached(slow.count() + BUSY);
    const with10000 = await latencies(beside, count);
    await beside.pause();
    slowMs += performance.now() - began;
    if (round === 0) continue;
    aloneMs.push(...without);
    besideMs.push(...with10000);
  }
  const [left] = await sql<{ due: number }>(
    beside.url,
    'select count(*)::int as due from webhook_deliveries where url = $1 and delivered_at is null',
    [slow.url],
  );
  const [arrived, due] = [slow.count(), left?.due ?? 0];
  if (arrived + due !== BACKLOG) throw new Error(`Of ${BACKLOG}, ${arrived} arrived and ${due} are due: some are lost`);
  return { alone: aloneMs, beside: besideMs, slow: { arrived, due, seconds: slowMs / 1_000 } };
}

async function submitQuick({ core, viewer, quick: { url: webhook } }: Side, count: number): Promise<void> {
  const spec = parseInput(jobSpecWithoutPatterns, { command: 'true', containerGroupId: 'quick', webhook });
  await submitJobs(core, viewer, Array<typeof spec>(count).fill(spec));
}

/** From commit to arrival, in milliseconds, one after another. */
async function latencies({ core, viewer, quick }: Side, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < count; index++) {
    const arrived = quick.reached(quick.count() + 1);
    const claimed = await claimJob(core, viewer, { machineId: 'bench', containerGroupId: 'quick', agentId: null });
    if (claimed === undefined) throw new Error('A queue with jobs in it gave none');
    const committed = performance.now();
    // It may arrive before the claim's answer has reached us.
    samples.push(Math.max(0, (await arrived) - committed));
  }
  return samples;
}

async function throughput(side: Side): Promise<number> {
  const before = side.quick.count();
  const all = side.quick.reached(before + BACKLOG);
  const began = performance.now();
  side.start();
  await atMost(WINDOW_MS, all);
  return (side.quick.count() - before) / ((performance.now() - began) / 1_000);
}

function report({ alone, beside, slow }: Compared, perSecond: number): Record<string, unknown> {
  const figures = {
    ...figuresOf('fast', beside),
    ...figuresOf('alone', alone),
    n: beside.length,
    slow_arrived: slow.arrived,
    slow_due: slow.due,
    slow_seconds: rounded(slow.seconds),
    per_s: rounded(perSecond, 0),
  };
  for (const [label, values] of [
    ['alone', alone],
    [`beside ${BACKLOG} slow ones`, beside],
  ] as const) {
    const [p50, p99, max] = Object.values(figuresOf('', values));
    say(
      `claim committed → received, ${label.padEnd(24)} p50 ${p50} ms, p99 ${p99} ms, max ${max} ms (n ${values.length})`,
    );
  }
  say(
    `Meanwhile ${slow.arrived} reached the slow host in ${figures.slow_seconds} s, ${BUSY} at a time; ${slow.due} were due to the end`,
  );
  say(`${BACKLOG} deliveries to one quick host: ${figures.per_s} a second`);
  return figures;
}

function figuresOf(name: string, values: readonly number[]): Record<string, number> {
  return {
    [`${name}_p50_ms`]: rounded(quantile(values, 0.5)),
    [`${name}_p99_ms`]: rounded(quantile(values, 0.99)),
    [`${name}_max_ms`]: rounded(Math.max(...values)),
  };
}
