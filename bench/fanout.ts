import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { authenticate, createKey, ensureAccount, type Viewer } from '../core/accounts/keys.ts';
import { parseInput } from '../core/input.ts';
import { jobSpecSchema } from '../core/jobs/spec.ts';
import { submitJobs } from '../core/jobs/submit.ts';
import { claimJob } from '../core/leases/claim.ts';
import { heartbeat } from '../core/leases/renew.ts';
import { feedHead } from '../core/events/page.ts';
import { cursorOf } from '../core/events/position.ts';
import { openCore, type OpenCore } from '../core/open.ts';
import { startProgram, type Program } from '../deploy/local/program.ts';
import { freePort } from '../lib/port.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import type { Answer, Order, Report } from './support/followers.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { median, quantile, rounded, say } from './support/stats.ts';

/**
 * How long from the storing of an event until those who follow its job have it, when 2,000 sockets follow 200 jobs, each of which changes
 * once a second: 2,000 messages a second; what 200 of the sockets that stop reading do to the others and to the server; how long the
 * same takes for those who watch the jobs' states; and what 500 live watchers cost the claims.
 *
 * The server is one process, the followers are others, and the changes are made here, past the server: it does nothing but tell.
 * Missed, told twice and out of order are counted by each job's own `seq`, against the table: `jobEvents` may leave out nothing.
 * `jobUpdated` may leave out states, but not the last one. The open-files limit must allow for 2,000 sockets: Node raises the soft one
 * to the hard one by itself.
 */
const JOBS = 200;
const FOLLOWERS_PER_JOB = 10;
const PROCESSES = 2;
const SECONDS = 60;
const OTHER_SECONDS = 20;
const SLOW = 200;
const CLAIMS = { rounds: 7, jobs: 500, connections: 8 };
const MASTER_KEY = 'only of this benchmark';

interface Bench {
  core: OpenCore;
  viewer: Viewer;
  key: string;
  server: Program;
  url: string;
  databaseUrl: string;
}

/** A change's event as the table has it; its time is in milliseconds since 1970. */
interface Stored {
  job_id: string;
  seq: number;
  n: number;
  at: number;
}

/** Changes `first` to `last`, one a second of each job. */
interface Span {
  first: number;
  last: number;
}

export async function fanout(): Promise<Record<string, unknown>> {
  const directory = await makeTemporaryDirectory('kelpie-fanout-');
  const postgres = await startBenchPostgres();
  const children: ChildProcess[] = [];
  try {
    const bench = await open(await postgres.database('fanout'), directory);
    try {
      const claims = await claimRounds(bench, children);
      const told = await tell(bench, children);
      const figures = { ...told, ...claims, load_average: rounded(loadavg()[0] ?? 0) };
      say(`load average of the last minute: ${figures.load_average}`);
      return figures;
    } finally {
      for (const child of children) child.kill();
      await bench.server.stop();
      await bench.core.close();
    }
  } finally {
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function open(databaseUrl: string, directory: string): Promise<Bench> {
  const core = await openCore({
    databaseUrl,
    masterKey: MASTER_KEY,
    maxConnections: CLAIMS.connections,
    onError: (error) => say(`  ${error.message}`),
  });
  const account = await ensureAccount(core, 'bench');
  const { secret } = await createKey(core, { accountId: account.id, role: 'OWNER' });
  const viewer = await authenticate(core, secret);
  if (viewer === undefined) throw new Error('A key that was just made is not known');
  const server = startProgram('server', ['server/main.ts'], {
    log: join(directory, 'server.log'),
    environment: {
      DATABASE_URL: databaseUrl,
      KELPIE_MASTER_KEY: MASTER_KEY,
      KELPIE_PORT: String(await freePort(4000)),
    },
  });
  const line = await server.line((text) => text.includes('"msg":"Listening"'));
  return { core, viewer, key: secret, server, databaseUrl, url: (JSON.parse(line) as { url: string }).url };
}

/** Claims past the server, in alternating rounds: nobody watches, or 500 do, each a job that is claimed. */
async function claimRounds(bench: Bench, children: ChildProcess[]): Promise<Record<string, number>> {
  const alone: number[] = [];
  const watched: number[] = [];
  // The first two warm up, and are not counted.
  for (let turn = -2; turn < CLAIMS.rounds * 2; turn++) {
    const isWatched = turn % 2 === 0;
    const jobIds = await submitted(bench, `claims-${turn}`, CLAIMS.jobs);
    const child = isWatched ? await openFollowers(bench, children, { jobIds, followers: 1 }) : undefined;
    if (child !== undefined) await ordered(child, { is: 'FOLLOW', kind: { is: 'STATES' } });
    const perSecond = await claimAll(bench, `claims-${turn}`);
    child?.kill();
    if (turn >= 0) (isWatched ? watched : alone).push(perSecond);
  }
  const ratio = rounded(median(watched) / median(alone), 2);
  say(`claims a second, median of ${CLAIMS.rounds} rounds of ${CLAIMS.jobs}:`);
  say(
    `  unwatched ${median(alone).toFixed(0)}, each watched by a socket ${median(watched).toFixed(0)}, ratio ${ratio}`,
  );
  return {
    claims_unwatched_per_s: rounded(median(alone), 0),
    claims_watched_per_s: rounded(median(watched), 0),
    claims_ratio: ratio,
  };
}

async function claimAll({ core, viewer }: Bench, group: string): Promise<number> {
  let left = CLAIMS.jobs;
  const started = performance.now();
  const claiming = Array.from({ length: CLAIMS.connections }, async (_, worker) => {
    while (left-- > 0) {
      const job = await claimJob(core, viewer, { machineId: `m-${worker}`, containerGroupId: group, agentId: null });
      if (job === undefined) throw new Error('A queue with jobs in it gave none');
    }
  });
  await Promise.all(claiming);
  return (CLAIMS.jobs * 1_000) / (performance.now() - started);
}

async function submitted({ core, viewer }: Bench, containerGroupId: string, count: number): Promise<string[]> {
  const spec = parseInput(jobSpecSchema, { command: 'true', containerGroupId });
  return (await submitJobs(core, viewer, Array<typeof spec>(count).fill(spec))).map(({ id }) => id);
}

async function tell(bench: Bench, children: ChildProcess[]): Promise<Record<string, unknown>> {
  const jobIds = await submitted(bench, 'fanout', JOBS);
  for (let job = 0; job < JOBS; job++) {
    await claimJob(bench.core, bench.viewer, { machineId: 'm', containerGroupId: 'fanout', agentId: null });
  }
  const share = JOBS / PROCESSES;
  const processes = await Promise.all(
    Array.from({ length: PROCESSES }, (_, n) => {
      const mine = jobIds.slice(n * share, (n + 1) * share);
      return openFollowers(bench, children, { jobIds: mine, followers: FOLLOWERS_PER_JOB });
    }),
  );
  const after = cursorOf(await feedHead(bench.core));
  // What they are told first, by which they know that they follow.
  await Promise.all(jobIds.map((id) => change(bench, id, 0)));
  await all(processes, { is: 'FOLLOW', kind: { is: 'EVENTS', after } });
  say(`${JOBS * FOLLOWERS_PER_JOB} sockets follow ${JOBS} jobs, each of which changes once a second`);
  await reports(processes);
  const told = await events(bench, processes, jobIds, { first: 1, last: SECONDS });
  print(`${SECONDS} s, all reading`, told);
  const before = rssMib(bench.server.pid);
  await all(processes, { is: 'PAUSE', sockets: SLOW / PROCESSES });
  const slow = await events(bench, processes, jobIds, { first: SECONDS + 1, last: SECONDS + OTHER_SECONDS });
  const later = rssMib(bench.server.pid);
  print(`${OTHER_SECONDS} s, ${SLOW} not reading`, slow);
  say(`  the server's memory ${before} MiB before, ${later} MiB after`);
  await all(processes, { is: 'FOLLOW', kind: { is: 'STATES' } });
  await reports(processes);
  const states = await watched(bench, processes, jobIds, { first: 1_001, last: 1_000 + OTHER_SECONDS });
  return {
    ...{ p50_ms: told.p50, p99_ms: told.p99, missed: told.missed, duplicated: told.duplicated },
    ...{ deliveries: told.deliveries, disordered: told.disordered },
    ...{ slow_p99_ms: slow.p99, slow_missed: slow.missed, slow_duplicated: slow.duplicated },
    ...{ rss_before_mib: before, rss_after_mib: later, ...states },
  };
}

/** One change of a running job, which is one event: what hinders it is another thing now. */
async function change({ core, viewer }: Bench, jobId: string, n: number): Promise<void> {
  await heartbeat(core, viewer, { jobId, attempt: 1 }, { warning: String(n) });
}

/** Lets every job change once a second, evenly spread. @returns what the table has of it, by job */
async function changes(bench: Bench, jobIds: string[], { first, last }: Span): Promise<Map<string, Stored[]>> {
  const began = performance.now();
  const changing = jobIds.map(async (jobId, index) => {
    for (let n = first; n <= last; n++) {
      const due = began + (n - first + index / jobIds.length) * 1_000;
      await delay(Math.max(0, due - performance.now()));
      await change(bench, jobId, n);
    }
  });
  await Promise.all(changing);
  // Whatever has not come by then counts as missed.
  await delay(2_000);
  const rows = await sql<Stored>(
    bench.databaseUrl,
    `select job_id, seq, (data ->> 'message')::int as n, extract(epoch from at)::float8 * 1000 as at from job_events
     where job_id = any($1) and type = 'WARNED' and (data ->> 'message')::int between $2 and $3 order by job_id, seq`,
    [jobIds, first, last],
  );
  if (rows.length !== JOBS * (last - first + 1)) throw new Error(`${rows.length} events are in the table`);
  return Map.groupBy(rows, ({ job_id }) => job_id);
}

/** What those who follow events have received of so many changes, against the table. */
async function events(bench: Bench, processes: ChildProcess[], jobIds: string[], span: Span) {
  const stored = await changes(bench, jobIds, span);
  const found = (await reports(processes)).filter(({ paused }) => !paused);
  const seen = { missed: 0, duplicated: 0, disordered: 0, deliveries: 0 };
  for (const { jobId, received } of found) {
    const seqs = received.map(([, seq]) => seq);
    const distinct = new Set(seqs);
    seen.missed += (stored.get(jobId) ?? []).filter(({ seq }) => !distinct.has(seq)).length;
    seen.duplicated += seqs.length - distinct.size;
    seen.disordered += seqs.filter((seq, index) => seq < (seqs[index - 1] ?? 0)).length;
    seen.deliveries += seqs.length;
  }
  return { ...seen, ...latencies(found, stored) };
}

/** What those who watch states have received: the last one counts. */
async function watched(bench: Bench, processes: ChildProcess[], jobIds: string[], span: Span) {
  const stored = await changes(bench, jobIds, span);
  const found = (await reports(processes)).filter(({ paused }) => !paused);
  const { p50, p99 } = latencies(found, stored);
  const behind = found.filter(({ received }) => received.at(-1)?.[0] !== span.last).length;
  const states = found.reduce((sum, { received }) => sum + received.length, 0);
  say(`${OTHER_SECONDS} s of states, ${found.length} watching: stored → received p50 ${p50} ms, p99 ${p99} ms`);
  say(`  ${states} deliveries, last state missed by ${behind}`);
  return { states_p50_ms: p50, states_p99_ms: p99, states_last_missed: behind };
}

/** From the event's own time, by the database's clock, which is this machine's: its commit, and the disk's share of it, count. */
function latencies(found: Report[], stored: Map<string, Stored[]>): { p50: number; p99: number } {
  const times = new Map([...stored].map(([jobId, rows]) => [jobId, new Map(rows.map(({ n, at }) => [n, at]))]));
  const taken = found.flatMap(({ jobId, received }) =>
    received.flatMap(([n, , at]) => {
      const from = times.get(jobId)?.get(n);
      return from === undefined ? [] : [at - from];
    }),
  );
  return { p50: rounded(quantile(taken, 0.5)), p99: rounded(quantile(taken, 0.99)) };
}

function print(name: string, seen: Awaited<ReturnType<typeof events>>): void {
  say(`${name}: stored → received p50 ${seen.p50} ms, p99 ${seen.p99} ms (${seen.deliveries} deliveries)`);
  say(`  missed ${seen.missed}, told twice ${seen.duplicated}, out of order ${seen.disordered}`);
}

/** A process with sockets that are let in. */
async function openFollowers(
  { url, key }: Bench,
  children: ChildProcess[],
  wanted: { jobIds: string[]; followers: number },
): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'support/followers.ts'));
  children.push(child);
  await ordered(child, { is: 'OPEN', url, key, ...wanted });
  return child;
}

async function reports(processes: ChildProcess[]): Promise<Report[]> {
  const answers = await all(processes, { is: 'REPORT' });
  return answers.flatMap((answer) => (answer.is === 'REPORT' ? answer.reports : []));
}

async function all(processes: ChildProcess[], order: Order): Promise<Answer[]> {
  return Promise.all(processes.map((child) => ordered(child, order)));
}

async function ordered(child: ChildProcess, order: Order): Promise<Answer> {
  const answered = once(child, 'message');
  child.send(order);
  return ((await answered) as [Answer])[0];
}

function rssMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return rounded(Number(kib) / 1_024, 0);
}
