import { claimJob } from '../core/leases/claim.ts';
import type { OpenCore } from '../core/open.ts';
import { createPruner, type Pruned } from '../core/retention/prune.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { insertEnded, insertWaiting, type Owner } from './support/backlog.ts';
import { openOwned } from './support/owned.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { median, rounded, say } from './support/stats.ts';

/**
 * Do claims go on while what is old is removed? Claims a second over 16 connections in rounds of 500, alternating between one
 * with and one without a server that prunes beside them, until 40,000 jobs with 160,000 events are gone. And how many bytes
 * does a job take, of which nothing is removed yet?
 */
const CONNECTIONS = 16;
const CLAIMS_PER_ROUND = 500;
const OLD = 40_000;
const YOUNG = 20_000;
const EVENTS_PER_JOB = 4;
const MEASURED = 10_000;
/** With the jobs goes all that is theirs. Each round begins a walk anew, and there is only one to begin. */
const KEEP = { jobs: 90, events: 0, logs: 0, deliveries: 0 };

interface Side extends Owner {
  core: OpenCore;
}

export const retention = benchmark(
  'Do claims go on while what is old is removed, and how many bytes does a job take?',
  {},
  measure,
);

async function measure(): Promise<Figures> {
  const postgres = await startBenchPostgres();
  try {
    const bytes = await bytesPerJob(await open(await postgres.database('sizes')));
    const side = await open(await postgres.database('pruned'));
    say(`Preparing ${OLD} old jobs and ${YOUNG} young ones that have ended`);
    await insertEnded(side, OLD, 91);
    await insertEnded(side, YOUNG, 89);
    await insertWaiting(side, CLAIMS_PER_ROUND);
    await sql(side.url, 'vacuum analyze');
    const figures = await alternate(side);
    await assertWork(side);
    await side.core.close();
    return { ...figures, bytes_per_job: bytes };
  } finally {
    await postgres.stop();
  }
}

async function open(url: string): Promise<Side> {
  // One for whoever prunes.
  const { core, viewer } = await openOwned(url, { maxConnections: CONNECTIONS + 1 });
  return { core, url, viewer };
}

/** What tables and indexes take per job, when nothing of them is empty yet. */
async function bytesPerJob(side: Side): Promise<Record<string, number>> {
  await insertEnded(side, MEASURED);
  const rows = await sql<{ name: string; bytes: string }>(
    side.url,
    `select relname as name, pg_total_relation_size(oid) as bytes from pg_class
     where relname in ('jobs', 'attempts', 'job_events') order by relname`,
  );
  await side.core.close();
  const bytes = Object.fromEntries(rows.map((row) => [row.name, Math.round(Number(row.bytes) / MEASURED)]));
  say(`Bytes per job with one attempt and ${EVENTS_PER_JOB} events, indexes included, of ${MEASURED} jobs:`);
  for (const [name, each] of Object.entries(bytes)) say(`  ${name}: ${each}`);
  return bytes;
}

async function alternate(side: Side): Promise<Record<string, unknown>> {
  await claimRound(side);
  const alone: number[] = [];
  const beside: number[] = [];
  const total = { rows: 0, seconds: 0 };
  for (let isOver = false; !isOver;) {
    alone.push(await claimRound(side));
    const pruner = createPruner(side.core, KEEP);
    const began = performance.now();
    const running = pruner.runOnce().then((pruned) => ({ rows: rowsOf(pruned), ended: performance.now() }));
    const perSecond = await claimRound(side);
    const claimed = performance.now();
    pruner.stop();
    const { rows, ended } = await running;
    total.rows += rows;
    total.seconds += (ended - began) / 1_000;
    isOver = ended < claimed;
    // A round in which the last of it was gone early tells nothing.
    if (!isOver) beside.push(perSecond);
  }
  const ratio = median(beside) / median(alone);
  say(`Claims a second over ${CONNECTIONS} connections, median of ${alone.length} and ${beside.length} rounds:`);
  say(`  alone ${median(alone).toFixed(0)}, beside pruning ${median(beside).toFixed(0)}, ratio ${ratio.toFixed(2)}`);
  say(`  ${total.rows} rows removed, ${(total.rows / total.seconds).toFixed(0)} a second, rests included`);
  return {
    alone_per_s: rounded(median(alone), 0),
    beside_per_s: rounded(median(beside), 0),
    ratio: rounded(ratio, 2),
    rows_removed: total.rows,
    rows_per_s: rounded(total.rows / total.seconds, 0),
    rounds: beside.length,
  };
}

function rowsOf({ jobs, events, logs, deliveries }: Pruned): number {
  return jobs + events + logs + deliveries;
}

/** @returns claims a second */
async function claimRound({ core, viewer, url }: Side): Promise<number> {
  let left = CLAIMS_PER_ROUND;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, worker) => {
      while (left-- > 0) {
        const claimant = { machineId: `machine-${worker}`, containerGroupId: 'bench', agentId: null };
        if ((await claimJob(core, viewer, claimant)) === undefined)
          throw new Error('A queue with jobs in it gave none');
      }
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  await insertWaiting({ url, viewer }, CLAIMS_PER_ROUND);
  return CLAIMS_PER_ROUND / seconds;
}

/** All that is old is gone, and nothing else. */
async function assertWork({ url }: Side): Promise<void> {
  const [left] = await sql<{ ended: number; old: number; events: number }>(
    url,
    `select (select count(*)::int from jobs where completed_at is not null) as ended,
            (select count(*)::int from jobs where completed_at < now() - interval '90 days') as old,
            (select count(*)::int from job_events where at < now() - interval '1 day') as events`,
  );
  if (left?.ended === YOUNG && left.old === 0 && left.events === YOUNG * EVENTS_PER_JOB) return;
  throw new Error(`Expected the ${YOUNG} young jobs and their events to be left, got ${JSON.stringify(left)}`);
}
