import type { Viewer } from '../core/accounts/keys.ts';
import { claimJob } from '../core/leases/claim.ts';
import type { OpenCore } from '../core/open.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { insertEnded, insertWaiting } from './support/backlog.ts';
import { openOwned } from './support/owned.ts';
import { sql, startBenchPostgres } from './support/postgres.ts';
import { median, rounded, say } from './support/stats.ts';

/**
 * How many claims a second, one at a time over 16 connections, and does it depend on the backlog and the history? Two
 * databases on one PostgreSQL, measured in alternating rounds; each round claims 500 jobs that the round before put there.
 */
const CONNECTIONS = 16;
const ROUNDS = 15;
const CLAIMS_PER_ROUND = 500;
const SMALL = { name: 'small', waiting: 1_000, ended: 0 };
const LARGE = { name: 'large', waiting: 200_000, ended: 200_000 };

interface Side {
  url: string;
  core: OpenCore;
  viewer: Viewer;
  perSecond: number[];
}

export const claim = benchmark(
  'How many claims a second, and does it depend on the backlog and the history?',
  {},
  measure,
);

async function measure(): Promise<Figures> {
  const postgres = await startBenchPostgres();
  try {
    const small = await prepare(await postgres.database(SMALL.name), SMALL);
    const large = await prepare(await postgres.database(LARGE.name), LARGE);
    // One round each to warm up connections and caches, not counted.
    for (const side of [small, large]) await round(side);
    for (const side of [small, large]) side.perSecond.length = 0;
    for (let turn = 0; turn < ROUNDS; turn++) {
      for (const side of turn % 2 === 0 ? [small, large] : [large, small]) await round(side);
    }
    await small.core.close();
    await large.core.close();
    return report(small, large);
  } finally {
    await postgres.stop();
  }
}

async function prepare(url: string, size: typeof SMALL): Promise<Side> {
  const { core, viewer } = await openOwned(url, { maxConnections: CONNECTIONS });
  say(`Preparing "${size.name}": ${size.waiting} waiting, ${size.ended} ended`);
  const side = { url, core, viewer, perSecond: [] };
  await insertEnded(side, size.ended);
  await insertWaiting(side, size.waiting);
  await sql(url, 'vacuum analyze');
  return side;
}

async function round(side: Side): Promise<void> {
  const claimed = new Set<string>();
  let left = CLAIMS_PER_ROUND;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, worker) => {
      while (left-- > 0) {
        const job = await claimJob(side.core, side.viewer, {
          machineId: `machine-${worker}`,
          containerGroupId: 'bench',
          agentId: null,
        });
        if (job === undefined) throw new Error('A queue with jobs in it gave none');
        claimed.add(job.id);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1_000;
  if (claimed.size !== CLAIMS_PER_ROUND) throw new Error(`${CLAIMS_PER_ROUND} claims gave ${claimed.size} jobs`);
  side.perSecond.push(CLAIMS_PER_ROUND / seconds);
  await insertWaiting(side, CLAIMS_PER_ROUND);
}

function report(small: Side, large: Side): Record<string, unknown> {
  const smallPerSecond = median(small.perSecond);
  const largePerSecond = median(large.perSecond);
  const ratio = largePerSecond / smallPerSecond;
  say(
    `Claims a second, one at a time over ${CONNECTIONS} connections, median of ${ROUNDS} rounds of ${CLAIMS_PER_ROUND}:`,
  );
  say(`  ${SMALL.waiting} waiting, none ended: ${smallPerSecond.toFixed(0)}`);
  say(`  ${LARGE.waiting} waiting, ${LARGE.ended} ended: ${largePerSecond.toFixed(0)}`);
  say(`  ratio ${ratio.toFixed(2)}`);
  return {
    small_per_s: rounded(smallPerSecond, 0),
    large_per_s: rounded(largePerSecond, 0),
    ratio: rounded(ratio, 2),
    rounds: ROUNDS,
    small_rounds: small.perSecond.map((value) => rounded(value, 0)),
    large_rounds: large.perSecond.map((value) => rounded(value, 0)),
  };
}
