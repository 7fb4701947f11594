import { createKey, ensureAccount, authenticate, type Viewer } from '../core/accounts/keys.ts';
import { claimJob } from '../core/leases/claim.ts';
import { openCore, type OpenCore } from '../core/open.ts';
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

export async function claim(): Promise<Record<string, unknown>> {
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
  const core = await openCore({
    databaseUrl: url,
    masterKey: 'of a benchmark',
    maxConnections: CONNECTIONS,
    onError: (error) => say(`  ${error.message}`),
  });
  const account = await ensureAccount(core, 'bench');
  const { secret } = await createKey(core, { accountId: account.id, role: 'OWNER' });
  const viewer = await authenticate(core, secret);
  if (viewer === undefined) throw new Error('A key that was just made is not known');
  say(`Preparing "${size.name}": ${size.waiting} waiting, ${size.ended} ended`);
  const side = { url, core, viewer, perSecond: [] };
  await insertEnded(side, size.ended);
  await insertWaiting(side, size.waiting);
  await sql(url, 'vacuum analyze');
  return side;
}

const columns = `account_id, api_key_id, container_group_id, command, arguments, environment, labels, max_failures, heartbeat_interval, event_seq`;
const values = `$1::uuid, $2::uuid, 'bench', 'python', '["train.py", "--epochs", "100"]', '{"SEED": "1"}', '{}', 3, 30`;

async function insertWaiting(side: Side, count: number): Promise<void> {
  const { accountId, keyId } = side.viewer;
  await sql(
    side.url,
    `with job as (insert into jobs (${columns}) select ${values}, 1 from generate_series(1, $3::int)
                  returning id, account_id, container_group_id)
     insert into job_events (job_id, seq, account_id, container_group_id, type, data)
     select id, 1, account_id, container_group_id, 'SUBMITTED', '{}' from job`,
    [accountId, keyId, count],
  );
}

async function insertEnded(side: Side, count: number): Promise<void> {
  const { accountId, keyId } = side.viewer;
  await sql(
    side.url,
    `with job as (insert into jobs (${columns}, status, attempt_number, machine_id, started_at, completed_at)
                  select ${values}, 4, 'COMPLETED', 1, 'machine', now(), now() from generate_series(1, $3::int)
                  returning id, account_id, container_group_id),
     attempt as (insert into attempts (job_id, number, account_id, container_group_id, machine_id, outcome, ended_by, ended_at,
                                       heartbeat_interval, lease_expires_at)
                 select id, 1, account_id, container_group_id, 'machine', 'COMPLETED', 'AGENT', now(), 30, now() from job)
     insert into job_events (job_id, seq, account_id, container_group_id, type, data)
     select id, n, account_id, container_group_id,
            (array['SUBMITTED', 'CLAIMED', 'ATTEMPT_ENDED', 'COMPLETED'])[n]::job_event_type, '{}'
     from job, generate_series(1, 4) n`,
    [accountId, keyId, count],
  );
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
