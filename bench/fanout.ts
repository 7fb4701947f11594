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
import { openCore, type OpenCore } from '../core/open.ts';
import { startProgram, type Program } from '../deploy/local/program.ts';
import { freePort } from '../lib/port.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { fractionOf, type Answer, type Order, type Report } from './support/followers.ts';
import { startBenchPostgres } from './support/postgres.ts';
import { median, quantile, rounded, say } from './support/stats.ts';

/**
 * How long from the commit of a job's change until those who watch it have it, when 2,000 sockets watch 200 jobs that change once a
 * second each; what 200 of them that stop reading do to the others and to the server; and what 500 live watchers cost the claims.
 *
 * The server is one process, the watchers are others, and the changes are made here, past the server: it does nothing but tell. A
 * follower has missed something when the last state has not come; `jobUpdated` may leave out states before it, which are counted as
 * skipped. The open-files limit must allow for 2,000 sockets: Node raises the soft one to the hard one by itself.
 */
const JOBS = 200;
const FOLLOWERS_PER_JOB = 10;
const PROCESSES = 2;
const SECONDS = 60;
const SLOW_SECONDS = 20;
const SLOW = 200;
const CLAIMS = { rounds: 5, jobs: 500, connections: 8 };
const MASTER_KEY = 'only of this benchmark';

interface Bench {
  core: OpenCore;
  viewer: Viewer;
  key: string;
  server: Program;
  url: string;
}

/** When each change of a job was committed, by its number. */
type Commits = Map<string, Map<number, number>>;

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
  return { core, viewer, key: secret, server, url: (JSON.parse(line) as { url: string }).url };
}

/** Claims past the server, in alternating rounds: nobody watches, or 500 do, each a job that is claimed. */
async function claimRounds(bench: Bench, children: ChildProcess[]): Promise<Record<string, number>> {
  const alone: number[] = [];
  const watched: number[] = [];
  // The first two warm up, and are not counted.
  for (let turn = -2; turn < CLAIMS.rounds * 2; turn++) {
    const isWatched = turn % 2 === 0;
    const jobIds = await submitted(bench, `claims-${turn}`, CLAIMS.jobs);
    const child = isWatched ? await followers(bench, children, { jobIds, followers: 1 }) : undefined;
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
    Array.from({ length: PROCESSES }, (_, n) =>
      followers(bench, children, {
        jobIds: jobIds.slice(n * share, (n + 1) * share),
        followers: FOLLOWERS_PER_JOB,
      }),
    ),
  );
  say(`${JOBS * FOLLOWERS_PER_JOB} sockets follow ${JOBS} jobs, each of which changes once a second`);
  await reports(processes);
  const all = await phase(bench, processes, jobIds, { first: 1, seconds: SECONDS });
  print(`${SECONDS} s, all reading`, all);
  const before = rssMib(bench.server.pid);
  await Promise.all(processes.map((child) => ordered(child, { is: 'PAUSE', sockets: SLOW / PROCESSES })));
  const slow = await phase(bench, processes, jobIds, { first: SECONDS + 1, seconds: SLOW_SECONDS });
  const after = rssMib(bench.server.pid);
  print(`${SLOW_SECONDS} s, ${SLOW} not reading`, slow);
  say(`  the server's memory ${before} MiB before, ${after} MiB after; ${slow.cut} of the ${SLOW} were hung up on`);
  return {
    ...{ p50_ms: all.p50, p99_ms: all.p99, missed: all.missed, duplicated: all.duplicated, slow_p99_ms: slow.p99 },
    ...{ deliveries: all.deliveries, skipped: all.skipped, slow_missed: slow.missed, slow_cut: slow.cut },
    ...{ rss_before_mib: before, rss_after_mib: after },
  };
}

/** Lets every job change once a second, evenly spread, and asks afterwards what was seen of it. */
async function phase(
  { core, viewer }: Bench,
  processes: ChildProcess[],
  jobIds: string[],
  { first, seconds }: { first: number; seconds: number },
): Promise<ReturnType<typeof judge>> {
  const commits: Commits = new Map(jobIds.map((id) => [id, new Map<number, number>()]));
  const began = performance.now();
  const changing = jobIds.map(async (jobId, index) => {
    for (let n = first; n < first + seconds; n++) {
      const due = began + (n - first + index / jobIds.length) * 1_000;
      await delay(Math.max(0, due - performance.now()));
      const progress = { fraction: fractionOf(n), message: null, metrics: null };
      await heartbeat(core, viewer, { jobId, attempt: 1 }, { progress });
      commits.get(jobId)?.set(n, performance.timeOrigin + performance.now());
    }
  });
  await Promise.all(changing);
  // Whatever has not come by then counts as missed.
  await delay(2_000);
  return judge(await reports(processes), commits, first + seconds - 1);
}

function judge(found: Report[], commits: Commits, last: number) {
  const seen = { missed: 0, duplicated: 0, skipped: 0, deliveries: 0, cut: 0 };
  const latencies: number[] = [];
  for (const { jobId, paused, isCut, states } of found) {
    if (isCut) seen.cut += 1;
    if (paused) continue;
    const committed = commits.get(jobId) ?? new Map<number, number>();
    const numbers = states.map(([n]) => n);
    if (numbers.at(-1) !== last) seen.missed += 1;
    seen.duplicated += numbers.length - new Set(numbers).size;
    seen.skipped += committed.size - new Set(numbers).size;
    seen.deliveries += numbers.length;
    // What was received before the writer itself had heard of its commit took no time.
    for (const [n, at] of states) latencies.push(Math.max(0, at - (committed.get(n) ?? at)));
  }
  return { ...seen, p50: rounded(quantile(latencies, 0.5)), p99: rounded(quantile(latencies, 0.99)) };
}

function print(name: string, seen: ReturnType<typeof judge>): void {
  say(`${name}: committed → received p50 ${seen.p50} ms, p99 ${seen.p99} ms (${seen.deliveries} deliveries)`);
  say(`  last state missed ${seen.missed}, the same twice ${seen.duplicated}, skipped for a later one ${seen.skipped}`);
}

/** A process with sockets that have their jobs' present states. */
async function followers(
  { url, key }: Bench,
  children: ChildProcess[],
  wanted: { jobIds: string[]; followers: number },
): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'support/followers.ts'));
  children.push(child);
  await ordered(child, { is: 'FOLLOW', url, key, ...wanted });
  return child;
}

async function reports(processes: ChildProcess[]): Promise<Report[]> {
  const answers = await Promise.all(processes.map((child) => ordered(child, { is: 'REPORT' })));
  return answers.flatMap((answer) => (answer.is === 'REPORT' ? answer.reports : []));
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
