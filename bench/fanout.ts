import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { claimJob } from '../core/leases/claim.ts';
import { heartbeat } from '../core/leases/renew.ts';
import { feedHead } from '../core/events/page.ts';
import { cursorOf } from '../core/events/position.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { benchmark } from './support/benchmark.ts';
import { number, oneOf } from './support/flags.ts';
import type { Report } from './support/followers.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { quantile, rounded, say } from './support/stats.ts';
import { rssKib } from './support/usage.ts';
import { watchedClaims } from './support/watched-claims.ts';
import { all, openBench, openFollowers, reports, submitted, type Bench } from './support/watching.ts';

/**
 * How long from the storing of an event until those who follow its job have it, when 2,000 sockets follow 200 jobs, each of which changes
 * once a second: 2,000 messages a second; what 200 of the sockets that stop reading do to the others and to the server; how long the
 * same takes for those who watch the jobs' states; and what 500 live watchers cost the claims.
 *
 * Each server is one process, the followers are others, and the changes are made here, past the servers: they do nothing but tell. With
 * `--servers`, the followers of each job are spread over several.
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
const CLAIM_ROUNDS = 10;

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

const PARTS = ['claims', 'telling'] as const;

export const fanout = benchmark(
  'How long until those who follow 200 jobs over 2,000 sockets are told of a change, is anything missed, and what do watchers cost claims?',
  {
    only: oneOf('that part alone', PARTS),
    servers: number('servers that the followers are spread over', 1, { whole: true, min: 1, max: FOLLOWERS_PER_JOB }),
  },
  measure,
);

async function measure({ only, servers }: { only: (typeof PARTS)[number] | undefined; servers: number }) {
  const directory = await makeTemporaryDirectory('kelpie-fanout-');
  const postgres = await startBenchPostgres();
  try {
    const bench = await openBench(postgres, directory, servers);
    try {
      const claims = only !== 'telling' ? await watchedClaims(bench, CLAIM_ROUNDS) : {};
      const told = only !== 'claims' ? await tell(bench) : {};
      const figures = { ...told, ...claims, servers, load_average: rounded(loadavg()[0] ?? 0) };
      say(`load average of the last minute: ${figures.load_average}`);
      return figures;
    } finally {
      await bench.close();
    }
  } finally {
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function tell(bench: Bench): Promise<Record<string, unknown>> {
  const jobIds = await submitted(bench, 'fanout', JOBS);
  for (let job = 0; job < JOBS; job++) {
    await claimJob(bench.core, bench.viewer, { machineId: 'm', containerGroupId: 'fanout', agentId: null });
  }
  const share = JOBS / PROCESSES;
  const processes = await Promise.all(
    Array.from({ length: PROCESSES }, (_, n) => {
      const mine = jobIds.slice(n * share, (n + 1) * share);
      return openFollowers(bench, { jobIds: mine, followers: FOLLOWERS_PER_JOB });
    }),
  );
  const after = cursorOf(await feedHead(bench.core));
  // What they are told first, by which they know that they follow.
  await Promise.all(jobIds.map((id) => change(bench, id, 0)));
  await all(processes, { is: 'FOLLOW', kind: { is: 'EVENTS', after } });
  const over = bench.servers.length === 1 ? '' : `, at ${bench.servers.length} servers by turns`;
  say(`${JOBS * FOLLOWERS_PER_JOB} sockets follow ${JOBS} jobs${over}, each of which changes once a second`);
  await reports(processes);
  const told = await events(bench, processes, jobIds, { first: 1, last: SECONDS });
  print(`${SECONDS} s, all reading`, told);
  const before = rssMib(bench);
  await all(processes, { is: 'PAUSE', sockets: SLOW / PROCESSES });
  const slow = await events(bench, processes, jobIds, { first: SECONDS + 1, last: SECONDS + OTHER_SECONDS });
  const later = rssMib(bench);
  print(`${OTHER_SECONDS} s, ${SLOW} not reading`, slow);
  say(`  memory of the servers ${before} MiB before, ${later} MiB after`);
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

/** Of all servers together. */
function rssMib({ servers }: Bench): number {
  return rounded(servers.reduce((sum, { pid }) => sum + rssKib(pid), 0) / 1_024, 0);
}
