import { rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { openOwned, startServer } from './support/owned.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { median, rounded, say } from './support/stats.ts';

/**
 * How many jobs a second are submitted over REST: a thousand in one batch, which is one transaction; beside a thousand single
 * posts, one after another and eight at once, over connections that stay open. The server is a process of its own, on an
 * embedded PostgreSQL with durable settings. The three take turns. Each round is told as it ends, because single posts take long where
 * others compute too; after two minutes no other round begins, and the medians are of those that there were.
 */
const JOBS = 1_000;
const AT_ONCE = 8;
const ROUNDS = 5;
const ENOUGH_MS = 120_000;

const job = {
  command: 'python',
  arguments: ['train.py', '--epochs', '100'],
  environment: { SEED: '1' },
  container_group_id: 'bench',
};

type Way = 'batch' | 'single' | 'parallel';

export const submit = benchmark(
  'How many jobs a second are submitted over REST, in a batch and one by one?',
  {},
  onServer,
);

async function onServer(): Promise<Figures> {
  const postgres = await startBenchPostgres();
  const directory = await makeTemporaryDirectory('kelpie-submit-');
  try {
    const databaseUrl = await postgres.database('submit');
    const { core, key } = await openOwned(databaseUrl);
    await core.close();
    const { server, url } = await startServer(databaseUrl, directory, { KELPIE_RATE_PER_KEY: '0' });
    try {
      return await measure(databaseUrl, url, key);
    } finally {
      await server.stop();
    }
  } finally {
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(databaseUrl: string, url: string, key: string): Promise<Record<string, unknown>> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const post = (path: string, body: unknown) => send(agent, `${url}${path}`, key, body);
  const ways: Record<Way, () => Promise<void>> = {
    batch: () => post('/jobs/batch', Array(JOBS).fill(job)),
    single: () => posts(post, 1),
    parallel: () => posts(post, AT_ONCE),
  };
  const perSecond: Record<Way, number[]> = { batch: [], single: [], parallel: [] };
  const began = performance.now();
  // The first round warms up connections and the compiler, and is not counted.
  for (let round = 0; round <= 1 || (round <= ROUNDS && performance.now() - began < ENOUGH_MS); round++) {
    for (const way of ['batch', 'single', 'parallel'] as const) {
      // Not truncated: that locks whole tables, one after another, against the periodic work of the server.
      for (const table of ['jobs', 'job_events']) await sql(databaseUrl, `delete from ${table}`);
      const started = performance.now();
      await ways[way]();
      const seconds = (performance.now() - started) / 1_000;
      const [stored] = await sql<{ count: number }>(databaseUrl, 'select count(*)::int as count from jobs');
      if (stored?.count !== JOBS)
        throw new Error(`Expected ${JOBS} jobs to be stored, found ${stored?.count ?? 'none'}`);
      if (round > 0) perSecond[way].push(JOBS / seconds);
      say(`  ${round === 0 ? 'warm-up' : `round ${round}`}, ${way}: ${seconds.toFixed(2)} s`);
    }
  }
  agent.destroy();
  return report(perSecond);
}

/** A thousand single posts, so many of them at once. */
async function posts(post: (path: string, body: unknown) => Promise<void>, atOnce: number): Promise<void> {
  let left = JOBS;
  const sender = async (): Promise<void> => {
    while (left-- > 0) await post('/jobs', job);
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
}

async function send(agent: Agent, url: string, key: string, body: unknown): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const asked = request(url, { method: 'POST', agent, headers: { 'X-Kelpie-Key': key } }, (response) => {
      json(response).then((answer) => {
        if (response.statusCode === 202) resolve();
        else reject(new Error(`Expected 202, got ${response.statusCode ?? 0}: ${JSON.stringify(answer)}`));
      }, reject);
    });
    asked.on('error', reject);
    asked.end(JSON.stringify(body));
  });
}

function report(perSecond: Record<Way, number[]>): Record<string, unknown> {
  const batch = median(perSecond.batch);
  const single = median(perSecond.single);
  const parallel = median(perSecond.parallel);
  const rounds = perSecond.batch.length;
  say(`Submitting ${JOBS} jobs over REST, medians of ${rounds} rounds in turns:`);
  say(`  one batch                 ${(JOBS / batch).toFixed(2)} s, ${batch.toFixed(0)} jobs/s`);
  say(`  single posts, one by one  ${(JOBS / single).toFixed(2)} s, ${single.toFixed(0)} jobs/s`);
  say(`  single posts, ${AT_ONCE} at once   ${(JOBS / parallel).toFixed(2)} s, ${parallel.toFixed(0)} jobs/s`);
  return {
    batch_per_s: rounded(batch, 0),
    single_per_s: rounded(single, 0),
    parallel_per_s: rounded(parallel, 0),
    rounds,
  };
}
