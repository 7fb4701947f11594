import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Tally } from './agents.ts';
import { watchDatabase, type DatabaseWatch } from './database-waits.ts';
import { addAgents, setPace, submit, tallied, used, type Fleet } from './fleet.ts';
import { fullIn, lateIn, type Late, type Taken } from './limits.ts';
import { mainThreadTime, processorTimes } from './processors.ts';
import { quantile, rounded, say } from './stats.ts';
import { cpuSeconds } from './usage.ts';
import { submitOneByOne, wokenBy } from './wakes.ts';

/** Each busy agent reports once in so long at first: its progress, two lines of its log, a checkpoint with every sixth. */
const FIRST_EVERY_MS = 10_000;
const BY = 1_500;
const SETTLED_MS = 3_000;
const WAKES = 40;
const WAKE_EVERY_MS = 125;
/** No step is begun after that. */
const WITHIN_MS = 200_000;
/** More agents that take longer to come are a reason to stop. */
const COME_WITHIN_MS = 40_000;
/** A server that is late over submissions, too, is not waited for any longer. */
const SUBMIT_WITHIN_MS = 10_000;
/** Of the files that a process may open, what a server needs besides its sockets. */
const OTHER_FILES = 2_000;
/** As the fleet's servers are set. */
const MOST_SOCKETS = 30_000;

export interface Step extends Taken, Late {
  agents: number;
  busy: number;
  /** How often each busy one reports. */
  every_ms: number;
  heartbeats_per_s: number;
  commits_per_s: number;
  server_late_ms: number;
  agents_late_p99_ms: number;
  heartbeat_p50_ms: number;
}

/**
 * More and more busy agents on one server, and when no more fit, the same ones reporting twice as often, until the server is late by the bounds
 * of `limits.ts`. Prints what each step took, and at the end what was used up.
 */
export async function growth(
  fleet: Fleet,
  { idle, busy, isPinned }: { idle: number; busy: number; isPinned: boolean },
): Promise<Record<string, unknown>> {
  const began = performance.now();
  const database = await watchDatabase(fleet.databaseUrl);
  try {
    return await grow(fleet, { idle, busy, isPinned, database, until: began + WITHIN_MS });
  } finally {
    await database.stop();
  }
}

interface Growing {
  idle: number;
  busy: number;
  isPinned: boolean;
  database: DatabaseWatch;
  until: number;
}

async function grow(fleet: Fleet, { idle, busy, until, ...how }: Growing): Promise<Record<string, unknown>> {
  const load = { busy, everyMs: FIRST_EVERY_MS };
  await setPace(fleet, load.everyMs);
  await addBusy(fleet, busy);
  await addAgents(fleet, { group: 'idle', count: idle, duty: 'COMPLETE' });
  const steps: Step[] = [];
  let absent: string | undefined;
  say(HEADINGS);
  for (;;) {
    await delay(SETTLED_MS);
    const step = await measured(fleet, load, how);
    steps.push(step);
    say(line(step));
    say(`    its connections: ${step.database_waits.map(({ event, percent }) => `${event} ${percent} %`).join(', ')}`);
    const why = absent ?? lateIn(step);
    if (why !== undefined) return conclude(steps, step, why);
    if (performance.now() > until) return { steps, stops: sayAll('it held until there was no more time') };
    if (fleet.agentCount + BY <= mostAgents()) {
      load.busy += BY;
      if (!(await came(addBusy(fleet, BY)))) {
        absent = `${BY} more agents were not there and at work after ${COME_WITHIN_MS / 1_000} s`;
      }
    } else {
      load.everyMs /= 2;
      await setPace(fleet, load.everyMs);
    }
  }
}

async function addBusy(fleet: Fleet, count: number): Promise<void> {
  await submit(fleet, 'busy', count);
  await addAgents(fleet, { group: 'busy', count, duty: 'REPORT' });
}

/** Whether they are there in time; else they go on coming. */
async function came(coming: Promise<void>): Promise<boolean> {
  const late = new AbortController();
  const inTime = coming.then(() => true);
  // Those that never came end with their processes.
  inTime.catch(() => undefined);
  try {
    return await Promise.race([inTime, delay(COME_WITHIN_MS, false, { signal: late.signal })]);
  } finally {
    late.abort();
  }
}

/** An agent is an open file of the server's. */
function mostAgents(): number {
  const files = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  return Math.min(files - OTHER_FILES, MOST_SOCKETS);
}

/** Jobs are submitted for the idle ones meanwhile, so what a wake-up takes is of a server that has all that to do. */
async function measured(
  fleet: Fleet,
  { busy, everyMs }: { busy: number; everyMs: number },
  { isPinned, database }: Pick<Growing, 'isPinned' | 'database'>,
) {
  await tallied(fleet);
  await database.report();
  fleet.holdups.report();
  const before = spent(fleet);
  const submitted = await submitOneByOne(fleet, WAKES, WAKE_EVERY_MS, SUBMIT_WITHIN_MS);
  const tallies = await tallied(fleet);
  const after = spent(fleet);
  const { active, waits, commitsPerSecond } = await database.report();
  const woken = wokenBy(submitted, tallies);
  const heartbeats = tallies.flatMap((tally) => tally.heartbeats);
  const p = (values: number[], share: number): number =>
    values.length === 0 ? Infinity : rounded(quantile(values, share));
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0);
  return {
    ...{ agents: fleet.agentCount, busy, every_ms: everyMs },
    heartbeats_per_s: rounded((heartbeats.length / (after.at - before.at)) * 1_000, 0),
    ...shares(before, after, isPinned),
    ...{ ...fleet.holdups.report(), database_active: active, database_waits: waits, commits_per_s: commitsPerSecond },
    agents_late_p99_ms: Math.round(Math.max(...tallies.map(({ lateMs }) => lateMs))),
    heartbeat_p50_ms: p(heartbeats, 0.5),
    heartbeat_p99_ms: p(heartbeats, 0.99),
    wake_p99_ms: p(
      woken.map(({ wake }) => wake),
      0.99,
    ),
    claim_p99_ms: p(
      woken.map(({ claim }) => claim),
      0.99,
    ),
    unclaimed: submitted.length - woken.length,
    lost: sum(({ lost }) => lost),
    cut: sum(({ cut }) => cut),
  } satisfies Step;
}

function spent(fleet: Fleet) {
  const [server] = fleet.servers;
  if (server === undefined) throw new Error('A fleet without a server was to be measured');
  return {
    at: performance.now(),
    used: used(fleet),
    thread: mainThreadTime(server.pid),
    players: fleet.agents.map(({ pid = 0 }) => mainThreadTime(pid).ranMs),
    bench: cpuSeconds(process.pid),
    processors: processorTimes(),
  };
}

type Spent = ReturnType<typeof spent>;

function shares(before: Spent, after: Spent, isPinned: boolean): Omit<Taken, `database_${string}`> {
  const took = after.at - before.at;
  const percent = (ms: number): number => rounded((ms / took) * 100);
  const of = (name: keyof Spent['used']): number => percent((after.used[name] - before.used[name]) * 1_000);
  const busy = after.processors.map(
    ({ busy, all }, n) => (busy - (before.processors[n]?.busy ?? 0)) / (all - (before.processors[n]?.all ?? 0)),
  );
  const sum = (of: number[]): number => of.reduce((total, share) => total + share, 0);
  const others = busy.slice(isPinned ? 1 : 0);
  const ours = of('servers') + of('postgres') + of('agents') + percent((after.bench - before.bench) * 1_000);
  return {
    thread_percent: percent(after.thread.ranMs - before.thread.ranMs),
    thread_waited_percent: percent(after.thread.waitedMs - before.thread.waitedMs),
    servers_percent: of('servers'),
    postgres_percent: of('postgres'),
    agents_percent: of('agents'),
    player_percent: percent(Math.max(...after.players.map((ran, n) => ran - (before.players[n] ?? 0)))),
    others_busy_percent: rounded((sum(others) / others.length) * 100),
    elsewhere_percent: Math.max(0, rounded(sum(busy) * 100 - ours)),
  };
}

const COLUMNS: [string, (step: Step) => string | number][] = [
  ['agents', ({ agents }) => agents],
  ['busy', ({ busy }) => busy],
  ['each', ({ every_ms: every }) => `${rounded(every / 1_000, 2)} s`],
  ['beats/s', ({ heartbeats_per_s: beats }) => beats],
  ['commits/s', ({ commits_per_s: commits }) => commits],
  ['server', ({ servers_percent: share }) => `${share} %`],
  ['thread', ({ thread_percent: share }) => `${share} %`],
  ['waits', ({ thread_waited_percent: share }) => `${share} %`],
  ['postgres', ({ postgres_percent: share }) => `${share} %`],
  ['players', ({ agents_percent: share }) => `${share} %`],
  ['elsewhere', ({ elsewhere_percent: share }) => `${share} %`],
  ['late', ({ server_late_ms: late }) => `${late} ms`],
  ['pool', ({ database_waiting: waiting }) => waiting],
  ['working', ({ database_active: active }) => active],
  ['beat p50', ({ heartbeat_p50_ms: took }) => `${took} ms`],
  ['p99', ({ heartbeat_p99_ms: took }) => `${took} ms`],
  ['wake p99', ({ wake_p99_ms: took }) => `${took} ms`],
  ['claim p99', ({ claim_p99_ms: took }) => `${took} ms`],
  ['their late', ({ agents_late_p99_ms: late }) => `${late} ms`],
];
const WIDTH = 10;
const HEADINGS = COLUMNS.map(([name]) => name.padStart(WIDTH)).join(' ');

function line(step: Step): string {
  return COLUMNS.map(([, of]) => String(of(step)).padStart(WIDTH)).join(' ');
}

function conclude(steps: Step[], last: Step, why: string): Record<string, unknown> {
  const held = steps.at(-2);
  if (held !== undefined) say(`holds ${described(held)}`);
  return { steps, stops: sayAll(`stops at ${described(last)}: ${fullIn(last)}; ${why}`) };
}

function described({ agents, busy, every_ms: every, heartbeats_per_s: beats }: Step): string {
  return `${agents} agents, ${busy} of them busy, each of which reports every ${rounded(every / 1_000, 2)} s (${beats} heartbeats a second)`;
}

function sayAll(text: string): string {
  say(text);
  return text;
}
