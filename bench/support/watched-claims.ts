import { setTimeout as delay } from 'node:timers/promises';
import type { ChildProcess } from 'node:child_process';
import { claimJob } from '../../core/leases/claim.ts';
import { sql } from './postgres.ts';
import { processorMs, processorMsBelow } from './processor.ts';
import { median, rounded, say } from './stats.ts';
import { all, CONNECTIONS, closeFollowers, openFollowers, reports, submitted, type Bench } from './watching.ts';

const JOBS = 5_000;
/** Of so many jobs that are claimed one after another, one is watched. */
const WATCHED_OF = 10;
const WATCHERS = JOBS / WATCHED_OF;
const BATCH = 1_000;
/** Rounds of each that warm up, and are not counted. */
const WARMING = 1;
const LOOK_EVERY_MS = 100;
/** Of processor time in between, of each server: it hardly does anything. */
const QUIET_MS = 20;
const PATIENCE_MS = 10_000;
const PARTS = ['server', 'database', 'claimers', 'followers'] as const;

type Part = (typeof PARTS)[number];
/** Processor time of each in milliseconds. */
type Spent = Record<Part, number>;

interface Round {
  perSecond: number;
  spent: Spent;
  /** How many watchers had been told when the last claim was made. */
  toldMeanwhile: number;
}

/**
 * Claims past the servers, in alternating rounds: nobody watches, or 500 sockets do, each a job, every tenth of those that are claimed. A
 * round lasts many times as long as what is to be told may be put off, so that the telling is a part of it; what is left at its end is
 * counted. A round begins when the servers have nothing left to do from the one before. Each watcher must have been told of its claim.
 */
export async function watchedClaims(bench: Bench, rounds: number): Promise<Record<string, number>> {
  const found: { alone: Round[]; watched: Round[] } = { alone: [], watched: [] };
  for (let turn = 0; turn < (WARMING + rounds) * 2; turn++) {
    // Who begins changes from pair to pair: whatever grows or drifts meanwhile falls on both.
    const isWatched = turn % 4 === 0 || turn % 4 === 3;
    const round = await claimRound(bench, `claims-${turn}`, isWatched);
    if (turn >= WARMING * 2) found[isWatched ? 'watched' : 'alone'].push(round);
  }
  return report(found);
}

async function claimRound(bench: Bench, group: string, isWatched: boolean): Promise<Round> {
  const jobIds: string[] = [];
  while (jobIds.length < JOBS) jobIds.push(...(await submitted(bench, group, BATCH)));
  const watched = jobIds.filter((_, index) => index % WATCHED_OF === 0);
  const child = isWatched ? await openFollowers(bench, { jobIds: watched, followers: 1 }) : undefined;
  if (child !== undefined) {
    await all([child], { is: 'FOLLOW', kind: { is: 'STATES' } });
    await reports([child]);
  }
  // What the round before has left to be written to the disk is not written in this one.
  await sql(bench.databaseUrl, 'checkpoint');
  await quiet(bench);
  const before = spentBy(bench, child);
  const perSecond = await claimAll(bench, group);
  const after = spentBy(bench, child);
  const toldMeanwhile = child === undefined ? 0 : await allTold(child);
  if (child !== undefined) await closeFollowers(bench, child);
  const spent = Object.fromEntries(PARTS.map((part) => [part, after[part] - before[part]])) as Spent;
  return { perSecond, spent, toldMeanwhile };
}

/**
 * @returns how many had been told when it was called
 * @throws when a watcher was not told of its claim
 */
async function allTold(child: ChildProcess): Promise<number> {
  const told = new Set<string>();
  const look = async (): Promise<number> => {
    for (const { jobId, received } of await reports([child])) if (received.length > 0) told.add(jobId);
    return told.size;
  };
  const atOnce = await look();
  const deadline = performance.now() + PATIENCE_MS;
  while ((await look()) < WATCHERS) {
    if (performance.now() > deadline)
      throw new Error(`Expected ${WATCHERS} watchers to be told of a claim, ${told.size} were`);
    await delay(LOOK_EVERY_MS);
  }
  return atOnce;
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

/** Resolves when the servers hardly do anything. */
async function quiet({ servers }: Bench): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let before = spentByServers(servers); ;) {
    await delay(LOOK_EVERY_MS);
    const now = spentByServers(servers);
    if (now - before <= QUIET_MS * servers.length) return;
    if (performance.now() > deadline) throw new Error('The servers were expected to come to rest, and did not');
    before = now;
  }
}

function spentByServers(servers: Bench['servers']): number {
  return servers.reduce((sum, { pid }) => sum + processorMs(pid), 0);
}

function spentBy({ servers, databasePid }: Bench, followers: ChildProcess | undefined): Spent {
  return {
    server: spentByServers(servers),
    database: processorMsBelow(databasePid),
    claimers: processorMs(process.pid),
    followers: followers?.pid === undefined ? 0 : processorMs(followers.pid),
  };
}

function report({ alone, watched }: { alone: Round[]; watched: Round[] }): Record<string, number> {
  const rate = (rounds: Round[]): number => median(rounds.map(({ perSecond }) => perSecond));
  const each = (rounds: Round[]): string => rounds.map(({ perSecond }) => perSecond.toFixed(0)).join(' ');
  const ratio = rounded(rate(watched) / rate(alone), 3);
  const meanwhile = rounded(median(watched.map(({ toldMeanwhile }) => toldMeanwhile)) / WATCHERS, 3);
  say(`claims a second, medians of ${alone.length} rounds each of ${JOBS} claims, in turns:`);
  say(
    `  unwatched ${rate(alone).toFixed(0)}, every tenth watched by a socket ${rate(watched).toFixed(0)}, ratio ${ratio}`,
  );
  say(`  each round: unwatched ${each(alone)}; watched ${each(watched)}`);
  say(
    `  ${(meanwhile * 100).toFixed(0)} % were told of their claim before the last claim was made, all of them in the end`,
  );
  for (const part of PARTS) {
    const [of, ofWatched] = [perClaim(alone, [part]).toFixed(3), perClaim(watched, [part]).toFixed(3)];
    say(`  processor time of ${part.padEnd(9)} per claim: ${of} ms, ${ofWatched} ms when watched`);
  }
  const processorRatio = rounded(perClaim(alone, PARTS) / perClaim(watched, PARTS), 3);
  say(
    `  of all of them: ${perClaim(alone, PARTS).toFixed(3)} ms, ${perClaim(watched, PARTS).toFixed(3)} ms, ratio ${processorRatio}`,
  );
  return {
    claims_unwatched_per_s: rounded(rate(alone), 0),
    claims_watched_per_s: rounded(rate(watched), 0),
    claims_ratio: ratio,
    claims_processor_ratio: processorRatio,
    claims_told_meanwhile: meanwhile,
    claims_n: alone.length,
  };
}

/** Processor time in milliseconds. */
function perClaim(rounds: Round[], parts: readonly Part[]): number {
  return median(rounds.map(({ spent }) => parts.reduce((sum, part) => sum + spent[part], 0))) / JOBS;
}
