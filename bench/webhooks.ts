import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { authenticate, createKey, ensureAccount, type Viewer } from '../core/accounts/keys.ts';
import { parseInput } from '../core/input.ts';
import { jobSpecSchema } from '../core/jobs/spec.ts';
import { submitJobs } from '../core/jobs/submit.ts';
import { claimJob } from '../core/leases/claim.ts';
import { openCore, type OpenCore } from '../core/open.ts';
import { parseRanges } from '../core/webhooks/guard.ts';
import { createSender } from '../core/webhooks/deliver.ts';
import { periodic } from '../lib/service.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { quantile, rounded, say } from './support/stats.ts';

/**
 * Is a webhook late because the same account has ten thousand others for a host that takes a second for each? From the commit of a
 * claim until the receiver has the request, beside the same without the slow ones. And how many a second go to one quick host?
 */
const BACKLOG = 10_000;
const FAST = 10;
const SLOW_MS = 1_000;
const CLAIMERS = 8;
const ALLOWED = '127.0.0.0/8';

export async function webhooks(): Promise<Record<string, unknown>> {
  const postgres = await startBenchPostgres();
  const quick = await startReceiver(0);
  const slow = await startReceiver(SLOW_MS);
  try {
    const alone = await open(await postgres.database('alone'), quick);
    const aloneMs = await latencies(alone);
    await alone.close();

    const beside = await open(await postgres.database('beside'), quick);
    say(`Making ${BACKLOG} deliveries to a host that answers after ${SLOW_MS} ms`);
    await prepare(beside, slow.url, BACKLOG);
    const besideMs = await latencies(beside);
    if (slow.count() === 0) throw new Error('Expected the slow host to be busy, it was sent nothing');
    await beside.close();

    const many = await open(await postgres.database('many'), quick, { isIdle: true });
    const perSecond = await throughput(many);
    await many.close();
    return report(aloneMs, besideMs, perSecond);
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
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // A TCP server's address is never a pipe's name.
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
  close(): Promise<void>;
}

/** A core with a sender that runs as it does in a server. */
async function open(url: string, quick: Receiver, { isIdle = false } = {}): Promise<Side> {
  const onError = (error: Error) => say(`  ${error.message}`);
  const core = await openCore({ databaseUrl: url, masterKey: 'of a benchmark', onError });
  const { id: accountId } = await ensureAccount(core, 'bench');
  const { secret } = await createKey(core, { accountId, role: 'OWNER' });
  const viewer = await authenticate(core, secret);
  if (viewer === undefined) throw new Error('A key that was just made is not known');
  const sender = createSender({ core, allowed: parseRanges(ALLOWED), onRoom: () => loop.poke(), onError });
  const loop = periodic({ name: 'webhooks', everyMs: 1_000, runOnce: () => sender.runOnce(), onError });
  core.onChange('jobs', () => loop.poke());
  if (!isIdle) loop.start();
  return {
    ...{ core, viewer, url, quick },
    start: () => loop.start(),
    close: async () => {
      await loop.stop();
      await sender.stop();
      await core.close();
    },
  };
}

/** Jobs of their own group, claimed: each claim writes a delivery. */
async function prepare(side: Side, webhook: string, count: number): Promise<void> {
  await submit(side, webhook, count);
  let left = count;
  await Promise.all(
    Array.from({ length: CLAIMERS }, async () => {
      while (left-- > 0) await claimOne(side, webhook);
    }),
  );
  await sql(side.url, 'vacuum analyze');
}

async function submit({ core, viewer }: Side, webhook: string, count: number): Promise<void> {
  const spec = parseInput(jobSpecSchema, { command: 'true', containerGroupId: webhook, webhook });
  for (let left = count; left > 0; left -= 1_000) {
    await submitJobs(core, viewer, Array<typeof spec>(Math.min(left, 1_000)).fill(spec));
  }
}

async function claimOne({ core, viewer }: Side, webhook: string): Promise<void> {
  const claimed = await claimJob(core, viewer, { machineId: 'bench', containerGroupId: webhook, agentId: null });
  if (claimed === undefined) throw new Error('A queue with jobs in it gave none');
}

/** From commit to arrival, in milliseconds, one after another. */
async function latencies(side: Side): Promise<number[]> {
  const { quick } = side;
  await submit(side, quick.url, FAST + 1);
  const samples: number[] = [];
  // The first one makes the account's secret and warms up; it is not counted.
  for (let index = 0; index <= FAST; index++) {
    const wanted = quick.count() + 1;
    const arrived = quick.reached(wanted);
    await claimOne(side, quick.url);
    const committed = performance.now();
    // It may arrive before the claim's answer has reached us.
    const late = Math.max(0, (await arrived) - committed);
    if (index > 0) samples.push(late);
  }
  return samples;
}

async function throughput(side: Side): Promise<number> {
  say(`Making ${BACKLOG} deliveries to one quick host`);
  await prepare(side, side.quick.url, BACKLOG);
  const all = side.quick.reached(side.quick.count() + BACKLOG);
  const began = performance.now();
  side.start();
  return BACKLOG / (((await all) - began) / 1_000);
}

function report(alone: number[], beside: number[], perSecond: number): Record<string, unknown> {
  const figures = {
    fast_p50_ms: rounded(quantile(beside, 0.5)),
    fast_max_ms: rounded(Math.max(...beside)),
    alone_p50_ms: rounded(quantile(alone, 0.5)),
    alone_max_ms: rounded(Math.max(...alone)),
    per_s: rounded(perSecond, 0),
    n: beside.length,
  };
  say(
    `claim committed → received, alone                      p50 ${figures.alone_p50_ms} ms, max ${figures.alone_max_ms} ms`,
  );
  say(
    `claim committed → received, beside ${BACKLOG} slow ones  p50 ${figures.fast_p50_ms} ms, max ${figures.fast_max_ms} ms`,
  );
  say(`${BACKLOG} deliveries to one quick host: ${figures.per_s} a second`);
  return figures;
}
