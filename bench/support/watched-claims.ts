import { setTimeout as delay } from 'node:timers/promises';
import type { ChildProcess } from 'node:child_process';
import { claimJob } from '../../core/leases/claim.ts';
import { processorMs, processorMsBelow } from './processor.ts';
import { median, rounded, say } from './stats.ts';
import { all, CONNECTIONS, closeFollowers, openFollowers, reports, submitted, type Bench } from './watching.ts';

const JOBS = 500;
const LOOK_EVERY_MS = 100;
/** Of processor time in between: the server hardly does anything. */
const QUIET_MS = 20;
const PATIENCE_MS = 10_000;
const PARTS = ['server', 'database', 'claimers', 'followers'] as const;

type Part = (typeof PARTS)[number];
/** Processor time of each in milliseconds. */
type Spent = Record<Part, number>;

interface Round {
  perSecond: number;
  spent: Spent;
}

/**
 * Claims past the server, in alternating rounds: nobody watches, or 500 sockets do, each a job that is claimed. A round begins when the
 * server has nothing left to do from the one before. Each watcher must have been told of its claim.
 */
export async function watchedClaims(bench: Bench, rounds: number): Promise<Record<string, number>> {
  const found: { alone: Round[]; watched: Round[] } = { alone: [], watched: [] };
  // The first two of each warm up, and are not counted.
  for (let turn = -4; turn < rounds * 2; turn++) {
    const isWatched = turn % 2 === 0;
    const round = await claimRound(bench, `claims-${turn}`, isWatched);
    if (turn >= 0) found[isWatched ? 'watched' : 'alone'].push(round);
  }
  return report(found);
}

async function claimRound(bench: Bench, group: string, isWatched: boolean): Promise<Round> {
  const jobIds = await submitted(bench, group, JOBS);
  const child = isWatched ? await openFollowers(bench, { jobIds, followers: 1 }) : undefined;
  if (child !== undefined) {
    await all([child], { is: 'FOLLOW', kind: { is: 'STATES' } });
    await reports([child]);
  }
  await quiet(bench);
  const before = spentBy(bench, child);
  const perSecond = await claimAll(bench, group);
  const after = spentBy(bench, child);
  if (child !== undefined) {
    await allTold(child);
    await closeFollowers(bench, child);
  }
  const spent = Object.fromEntries(PARTS.map((part) => [part, after[part] - before[part]])) as Spent;
  return { perSecond, spent };
}

/** @throws when a watcher was not told of its claim */
async function allTold(child: ChildProcess): Promise<void> {
  const told = new Set<string>();
  const deadline = performance.now() + PATIENCE_MS;
  while (told.size < JOBS) {
    for (const { jobId, received } of await reports([child])) if (received.length > 0) told.add(jobId);
    if (performance.now() > deadline)
      throw new Error(`Expected ${JOBS} watchers to be told of a claim, ${told.size} were`);
    await delay(LOOK_EVERY_MS);
  }
}

async function claimAll({ core, viewer }: Bench, group: string): Promise<number> {
  let left = JOBS;
  const started = performance.now();
  const claiming = Array.from({ length: CONNECTIONS }, async (_, worker) => {
    while (left-- > 0) {
      const job = await claimJob(core, viewer, { machineId: `m-${worker}`, containerGroupId: group, agentId: null });
      if (job === undefined) throw new Error('A queue with jobs in it gave none');
    }
  });
  await Promise.all(claiming);
  return (JOBS * 1_000) / (performance.now() - started);
}

/** Resolves when the server hardly does anything. */
async function quiet({ server }: Bench): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let before = processorMs(server.pid); ;) {
    await delay(LOOK_EVERY_MS);
    const now = processorMs(server.pid);
    if (now - before <= QUIET_MS) return;
    if (performance.now() > deadline) throw new Error('The server was expected to come to rest, and did not');
    before = now;
  }
}

function spentBy({ server, databasePid }: Bench, followers: ChildProcess | undefined): Spent {
  return {
    server: processorMs(server.pid),
    database: processorMsBelow(databasePid),
    claimers: processorMs(process.pid),
    followers: followers?.pid === undefined ? 0 : processorMs(followers.pid),
  };
}

function report({ alone, watched }: { alone: Round[]; watched: Round[] }): Record<string, number> {
  const rate = (rounds: Round[]): number => median(rounds.map(({ perSecond }) => perSecond));
  const ratio = rounded(rate(watched) / rate(alone), 3);
  say(`claims a second, medians of ${alone.length} rounds each of ${JOBS} claims, in turns:`);
  say(`  unwatched ${rate(alone).toFixed(0)}, each watched by a socket ${rate(watched).toFixed(0)}, ratio ${ratio}`);
  for (const part of PARTS) {
    const each = (rounds: Round[]): string => (median(rounds.map(({ spent }) => spent[part])) / JOBS).toFixed(3);
    say(`  processor time of ${part.padEnd(9)} per claim: ${each(alone)} ms, ${each(watched)} ms when watched`);
  }
  return {
    claims_unwatched_per_s: rounded(rate(alone), 0),
    claims_watched_per_s: rounded(rate(watched), 0),
    claims_ratio: ratio,
    claims_n: alone.length,
  };
}
