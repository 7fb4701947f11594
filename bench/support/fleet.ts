import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createKey } from '../../core/accounts/keys.ts';
import { startProgram, type Program } from '../../deploy/local/program.ts';
import { freePort } from '../../lib/port.ts';
import { anyOf } from '../../lib/signals.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import type { Answer, Order, Tally, Wanted } from './agents.ts';
import { watchHoldups, type HoldupWatch } from './holdups.ts';
import { MASTER_KEY, openOwned } from './owned.ts';
import { sql, type BenchPostgres } from './postgres.ts';
import { pin } from './processors.ts';
import { cpuSeconds, family, parentOf } from './usage.ts';

const PROCESSES = 2;
/** A round that takes longer to begin is given up: on a machine that is busy otherwise it would prove nothing. */
const UP_MS = 150_000;
/** Jobs that are submitted at once, at most. */
const BATCH = 1_000;

/** What an operator of so many agents would raise. */
const SETTINGS = {
  KELPIE_MAX_SOCKETS_PER_KEY: '30000',
  KELPIE_MAX_CONNECTIONS: '30000',
};

export interface FleetOptions {
  servers: number;
  /** A directory to which each server writes where its time went. */
  profile?: string | undefined;
  /** Each server gets a processor for itself, and everything else the others. */
  isPinned?: boolean;
  /** How often servers are asked what holds them up, in milliseconds; every five seconds where this is not set. */
  lookEveryMs?: number;
}

/** Servers on one database, and processes full of agents. */
export interface Fleet {
  servers: Program[];
  urls: string[];
  metricsUrls: string[];
  /** Once all servers are there. */
  holdups: HoldupWatch;
  agents: ChildProcess[];
  keys: { owner: string; agent: string };
  postmaster: number;
  databaseUrl: string;
  agentCount: number;
}

/** Starts servers, without agents, and ends everything when it is measured. */
export async function withFleet<Figures>(
  postgres: BenchPostgres,
  { servers, profile, isPinned = false, lookEveryMs }: FleetOptions,
  measure: (fleet: Fleet) => Promise<Figures>,
): Promise<Figures> {
  const directory = await makeTemporaryDirectory('kelpie-fleet-');
  const databaseUrl = await postgres.database(`fleet_${servers}`);
  const fleet: Fleet = {
    ...{ servers: [], urls: [], metricsUrls: [], holdups: watchHoldups([]), agents: [], agentCount: 0 },
    keys: await provision(databaseUrl),
    postmaster: await postmasterOf(databaseUrl),
    databaseUrl,
  };
  try {
    for (let n = 0; n < servers; n++) await addServer(fleet, { databaseUrl, directory, profile });
    fleet.holdups = watchHoldups(fleet.metricsUrls, lookEveryMs);
    for (let n = 0; n < PROCESSES; n++) fleet.agents.push(fork(join(import.meta.dirname, 'agents.ts')));
    if (isPinned) pinServers(fleet);
    return await measure(fleet);
  } finally {
    await fleet.holdups.stop();
    // Nobody comes back to a server that is about to go.
    for (const child of fleet.agents) child.kill();
    await Promise.all(fleet.servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  }
}

function pinServers({ servers, postmaster, agents }: Fleet): void {
  pin(
    servers.map(({ pid }) => pid),
    [...family(postmaster), process.pid, ...agents.flatMap(({ pid }) => pid ?? [])],
  );
}

async function provision(databaseUrl: string): Promise<Fleet['keys']> {
  const { core, viewer, key } = await openOwned(databaseUrl);
  try {
    const agent = await createKey(core, { accountId: viewer.accountId, role: 'AGENT' });
    return { owner: key, agent: agent.secret };
  } finally {
    await core.close();
  }
}

async function postmasterOf(databaseUrl: string): Promise<number> {
  const [child] = await sql<{ pid: number }>(
    databaseUrl,
    `select pid from pg_stat_activity where backend_type = 'checkpointer'`,
  );
  if (child === undefined) throw new Error('PostgreSQL did not tell its processes');
  return parentOf(child.pid);
}

async function addServer(
  fleet: Fleet,
  at: { databaseUrl: string; directory: string; profile: string | undefined },
): Promise<void> {
  const url = `http://127.0.0.1:${await freePort(4_000 + fleet.servers.length * 10)}`;
  const metricsPort = await freePort(4_500 + fleet.servers.length * 10);
  const server = startProgram(`server ${fleet.servers.length + 1}`, ['server/main.ts'], {
    log: join(at.directory, `server-${fleet.servers.length}.log`),
    environment: {
      ...SETTINGS,
      DATABASE_URL: at.databaseUrl,
      KELPIE_MASTER_KEY: MASTER_KEY,
      KELPIE_LOG_LEVEL: 'info',
      KELPIE_PORT: new URL(url).port,
      KELPIE_METRICS_PORT: String(metricsPort),
      ...(at.profile !== undefined && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${at.profile}` }),
    },
  });
  fleet.servers.push(server);
  await server.line((text) => text.includes('"msg":"Listening"'));
  fleet.urls.push(url);
  fleet.metricsUrls.push(`http://127.0.0.1:${metricsPort}/metrics`);
}

export async function addAgents(fleet: Fleet, wanted: Pick<Wanted, 'group' | 'count' | 'duty'>): Promise<void> {
  fleet.agentCount += wanted.count;
  const share = wanted.count / PROCESSES;
  const { urls, keys } = fleet;
  const late = AbortSignal.timeout(UP_MS);
  await Promise.all(
    fleet.agents.map((child) =>
      ordered(child, { is: 'OPEN', wanted: { ...wanted, urls, key: keys.agent, count: share } }, late),
    ),
  );
}

export function used({ servers, postmaster, agents }: Fleet) {
  const sum = (pids: number[]): number => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
  return {
    servers: sum(servers.map(({ pid }) => pid)),
    postgres: sum(family(postmaster)),
    agents: sum(agents.flatMap(({ pid }) => pid ?? [])),
  };
}

/** @returns the jobs' ids */
export async function submit(fleet: Fleet, containerGroupId: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count)
    ids.push(...(await submitBatch(fleet, containerGroupId, Math.min(BATCH, count - ids.length))));
  return ids;
}

async function submitBatch({ urls, keys }: Fleet, containerGroupId: string, count: number): Promise<string[]> {
  const job = { command: 'true', container_group_id: containerGroupId };
  const response = await fetch(`${urls[0]}/jobs/batch`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': keys.owner },
    body: JSON.stringify(Array<typeof job>(count).fill(job)),
  });
  if (response.status !== 202) throw new Error(`A submission was answered with ${response.status}`);
  return ((await response.json()) as { id: string }[]).map(({ id }) => id);
}

/** Those that report do so once in so many milliseconds from now on, each. */
export async function setPace({ agents }: Fleet, everyMs: number): Promise<void> {
  await Promise.all(agents.map((child) => ordered(child, { is: 'PACE', everyMs })));
}

/** What has happened since it was last asked. */
export async function tallied(fleet: Fleet): Promise<Tally[]> {
  const answers = await Promise.all(fleet.agents.map((child) => ordered(child, { is: 'REPORT' })));
  return answers.flatMap((answer) => (answer.is === 'REPORT' ? [answer.tally] : []));
}

/** @throws when a socket was cut: a fleet that is not whole proves nothing */
export async function reports(fleet: Fleet): Promise<Tally[]> {
  const tallies = await tallied(fleet);
  const cut = tallies.reduce((sum, tally) => sum + tally.cut, 0);
  if (cut > 0) throw new Error(`${cut} of ${fleet.agentCount} agents lost their connection`);
  return tallies;
}

/** @throws when the process ends before its answer, or `late` is aborted */
async function ordered(child: ChildProcess, order: Order, late?: AbortSignal): Promise<Answer> {
  const over = new AbortController();
  const signal = late === undefined ? over.signal : anyOf(late, over.signal);
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error('A process of agents has ended');
  });
  const answered = answerTo(child, order, signal);
  child.send(order);
  try {
    return await Promise.race([answered, ended]);
  } catch (error) {
    if (late?.aborted !== true) throw error;
    throw new Error(
      `Expected the agents to be there within ${UP_MS / 1_000} s: this machine is too busy, or too small`,
      {
        cause: error,
      },
    );
  } finally {
    over.abort();
    await Promise.allSettled([answered, ended]);
  }
}

/** One that was given up may still be answered, beside the next. */
function answerTo(child: ChildProcess, order: Order, signal: AbortSignal): Promise<Answer> {
  const wanted: Answer['is'] = order.is === 'REPORT' ? 'REPORT' : 'DONE';
  return new Promise((resolve, reject) => {
    const heed = (answer: Answer): void => {
      if (answer.is === wanted) resolve(answer);
    };
    child.on('message', heed);
    signal.addEventListener('abort', () => {
      child.off('message', heed);
      reject(new Error('No answer is waited for any more', { cause: signal.reason }));
    });
  });
}
