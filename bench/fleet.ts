import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { benchmark, type Figures } from './support/benchmark.ts';
import { directory, number, numbers, toggle } from './support/flags.ts';
import type { Tally } from './support/agents.ts';
import { addAgents, reports, submit, used, withFleet, type Fleet } from './support/fleet.ts';
import { growth } from './support/growth.ts';
import { startBenchPostgres } from './support/postgres.ts';
import { quantile, rounded, say } from './support/stats.ts';
import { rssKib } from './support/usage.ts';
import { submitOneByOne, wokenBy, type Woken } from './support/wakes.ts';

/**
 * What a fleet costs a server, and how long it takes over what cannot wait: 5,000 idle agents and 1,000 busy ones, over real sockets, in
 * processes of their own, each speaking as our agents do. First with one server, then with three. With `--grow`, busy agents are added to one
 * server until it is late, and it is told why; with `--pin` the server has a processor for itself.
 *
 * Agents, servers and PostgreSQL share this machine, so processor time is told for each of them. The bounds that a server has by
 * default are raised for it by their variables, as an operator would.
 */
const REST_SECONDS = 25;
const WAKES = 100;
const WAKE_EVERY_MS = 150;
/** Those who found nothing ask again after a minute at the earliest: at rest that goes on all the time. */
const SETTLED_MS = 50_000;
/** Where steps are short. */
const LOOK_EVERY_MS = 1_000;

export const fleet = benchmark(
  'What does a fleet of agents cost a server, and how long does what cannot wait take?',
  {
    idle: number('agents that wait for work', 5_000, { whole: true, min: 0 }),
    busy: number('agents that report', 1_000, { whole: true, min: 0 }),
    servers: numbers('with so many servers, one after the other', [1, 3], { whole: true, min: 1, max: 8 }),
    grow: toggle('adds busy agents to one server until it is late, and says what is full'),
    pin: toggle('a server has a processor for itself'),
    profile: directory('where each server writes where its time went'),
  },
  measure,
);

async function measure({ servers: rounds, grow, pin, profile, ...counts }: Wanted): Promise<Figures> {
  const options = { profile, isPinned: pin, ...(grow && { lookEveryMs: LOOK_EVERY_MS }) };
  const figures: Record<string, unknown> = {};
  const postgres = await startBenchPostgres();
  try {
    for (const servers of grow ? [1] : rounds) {
      const found = await withFleet(postgres, { servers, ...options }, (it) =>
        grow ? growth(it, { ...counts, isPinned: pin }) : round(it, counts),
      );
      // The first is the benchmark's figure, the others stand beside it.
      Object.assign(figures, Object.keys(figures).length === 0 ? found : { [`servers_${servers}`]: found });
    }
  } finally {
    await postgres.stop();
  }
  return { ...figures, load_average: rounded(loadavg()[0] ?? 0) };
}

interface Counts {
  idle: number;
  busy: number;
}

interface Wanted extends Counts {
  servers: number[];
  grow: boolean;
  pin: boolean;
  profile: string | undefined;
}

async function round(fleet: Fleet, counts: Counts): Promise<Record<string, unknown>> {
  const before = fleet.servers.map(({ pid }) => rssKib(pid));
  const up = await bringUp(fleet, counts);
  const rest = await atRest(fleet, REST_SECONDS);
  const grown = fleet.servers.map(({ pid }, n) => rssKib(pid) - (before[n] ?? 0));
  const rssPerAgent = rounded(grown.reduce((sum, kib) => sum + kib, 0) / fleet.agentCount);
  say(`  memory of the servers: ${rssPerAgent} KiB more for each agent`);
  const woken = await wakeUps(fleet, WAKES);
  return { agents: fleet.agentCount, ...up, ...rest, rss_per_agent_kib: rssPerAgent, ...woken };
}

/** Busy ones first: their jobs wait for them. Then a pause, so that what follows is not measured in their wake, and is what goes on all the time. */
async function bringUp(fleet: Fleet, { idle, busy }: Counts): Promise<{ up_s: number; up_server_cpu_s: number }> {
  const began = performance.now();
  const before = used(fleet);
  await submit(fleet, 'busy', busy);
  await addAgents(fleet, { group: 'busy', count: busy, duty: 'KEEP' });
  await addAgents(fleet, { group: 'idle', count: idle, duty: 'COMPLETE' });
  const seconds = rounded((performance.now() - began) / 1_000);
  const computed = rounded(used(fleet).servers - before.servers);
  await delay(SETTLED_MS);
  const tallies = await reports(fleet);
  const started = tallies.reduce((sum, tally) => sum + tally.claims.length, 0);
  if (started !== busy) throw new Error(`${busy} jobs were to be claimed, and ${started} were`);
  const { text } = holdupsOf(fleet, tallies);
  say(`${fleet.servers.length} server(s): ${idle} idle agents and ${busy} busy ones are there after ${seconds} s,`);
  say(`  which took the servers ${computed} s of computing; ${text}`);
  return { up_s: seconds, up_server_cpu_s: computed };
}

/** Nothing happens but that agents are there: what that costs, and how long a heartbeat takes meanwhile. */
async function atRest(fleet: Fleet, seconds: number) {
  await reports(fleet);
  fleet.holdups.report();
  const before = used(fleet);
  const began = performance.now();
  await delay(seconds * 1_000);
  const tallies = await reports(fleet);
  const took = (performance.now() - began) / 1_000;
  const after = used(fleet);
  const percent = (name: keyof typeof before): number => rounded(((after[name] - before[name]) / took) * 100);
  const heartbeats = tallies.flatMap((tally) => tally.heartbeats);
  const asked = tallies.reduce((sum, { inVain }) => sum + inVain, 0) / took;
  const holdups = holdupsOf(fleet, tallies);
  const figures = {
    heartbeat_p50_ms: rounded(quantile(heartbeats, 0.5)),
    heartbeat_p99_ms: rounded(quantile(heartbeats, 0.99)),
    rest_server_cpu_percent: percent('servers'),
    rest_postgres_cpu_percent: percent('postgres'),
    rest_agents_cpu_percent: percent('agents'),
    rest_claims_per_s: rounded(asked),
    ...holdups.figures,
  };
  say(`  at rest, of one processor: servers ${figures.rest_server_cpu_percent} % in all, PostgreSQL`);
  say(
    `    ${figures.rest_postgres_cpu_percent} %, the agents' processes ${figures.rest_agents_cpu_percent} %; ${figures.rest_claims_per_s} questions for work a second`,
  );
  say(`  heartbeat p50 ${figures.heartbeat_p50_ms} ms, p99 ${figures.heartbeat_p99_ms} ms (n = ${heartbeats.length})`);
  say(`    ${holdups.text}`);
  return figures;
}

/** What may have kept something waiting since the last report: in the servers, and in the processes that measure. */
function holdupsOf(fleet: Fleet, tallies: readonly Tally[]) {
  const figures = {
    ...fleet.holdups.report(),
    agents_late_p99_ms: Math.round(Math.max(...tallies.map(({ lateMs }) => lateMs))),
    failed: tallies.reduce((sum, tally) => sum + tally.failed, 0),
  };
  const text =
    `a server was late by ${figures.server_late_ms} ms at most, an agents' process by ${figures.agents_late_p99_ms} ms at p99; ` +
    `${figures.database_waiting} waited for the database at most; ${figures.failed} failed`;
  return { figures, text };
}

/** One job at a time for thousands that wait: when somebody is told, when somebody has it, and how many asked in vain. */
async function wakeUps(fleet: Fleet, count: number): Promise<Record<string, number>> {
  await reports(fleet);
  fleet.holdups.report();
  const submitted = await submitOneByOne(fleet, count, WAKE_EVERY_MS);
  const tallies = await reports(fleet);
  const woken = tallies.reduce((sum, { wakes }) => sum + wakes.length, 0);
  const found = wokenBy(submitted, tallies);
  if (found.length !== count) throw new Error(`${count} jobs were submitted, and ${found.length} were claimed`);
  const at = (of: keyof Woken, share: number) =>
    rounded(
      quantile(
        found.map((one) => one[of]),
        share,
      ),
    );
  const holdups = holdupsOf(fleet, tallies);
  const figures = {
    ...{ wake_p50_ms: at('wake', 0.5), wake_p99_ms: at('wake', 0.99) },
    ...{ claim_p50_ms: at('claim', 0.5), claim_p99_ms: at('claim', 0.99) },
    ...{ submit_to_claim_p50_ms: at('got', 0.5), submit_to_claim_p99_ms: at('got', 0.99) },
    woken_per_job: rounded(woken / count),
    wakes_failed: holdups.figures.failed,
  };
  say(`  job submitted → an agent is told p50 ${figures.wake_p50_ms} ms, p99 ${figures.wake_p99_ms} ms (n = ${count})`);
  say(`    → it has the job p50 ${figures.submit_to_claim_p50_ms} ms, p99 ${figures.submit_to_claim_p99_ms} ms`);
  say(
    `  a claim p50 ${figures.claim_p50_ms} ms, p99 ${figures.claim_p99_ms} ms; ${figures.woken_per_job} agents were woken for each job`,
  );
  say(`    ${holdups.text}`);
  return figures;
}
