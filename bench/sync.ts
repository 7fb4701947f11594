import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { number, someOf } from './support/flags.ts';
import { digestOf, writeLargeFile, writeSmallFiles } from './support/files.ts';
import { gatewayOrExit, type Peer, peersOrExit } from './support/peers.ts';
import { median, rounded, say } from './support/stats.ts';
import { type BenchStore, startStore } from './support/store.ts';
import { runSync } from './support/sync.ts';

/**
 * Is sync as quick as the best programs that do nothing else? One large file and many small ones, up and down, against the same
 * store on the same disk, in turn with rclone and s5cmd. Each run is a process of its own and is timed from its start to its end;
 * what arrived is compared byte for byte. The ratios are of whole commands; beside them stand those of the transfers, which is each
 * program's time without what the same program takes to bring one byte: an agent starts once, and moves data for weeks.
 */
const ROUNDS = 5;
const STARTS_A_ROUND = 3;
const LARGE_BYTES = 2 ** 30;
const SMALL = { count: 2_000, bytes: 16 * 2 ** 10 };

const TASKS = ['one_up', 'one_down', 'many_up', 'many_down'] as const;
type TaskName = (typeof TASKS)[number];

export const sync = benchmark(
  'Is sync as quick as the best programs that do nothing else?',
  {
    rounds: number('how often each copies', ROUNDS, { whole: true, min: 1, max: 1_000 }),
    only: someOf('what is copied', TASKS),
  },
  besideOthers,
);

async function besideOthers({ rounds, only }: { rounds: number; only: TaskName[] }): Promise<Figures> {
  const peers = await peersOrExit();
  const directory = await makeTemporaryDirectory('kelpie-bench-sync-');
  const store = await startStore(await gatewayOrExit(), directory);
  try {
    const contestants = [ours(directory), ...peers.map(peerAs)];
    say(`Against versitygw on a disk, ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'})`);
    for (const { name, flags: peerFlags } of peers) say(`${name} ${peerFlags.join(' ') || '(defaults)'}`);
    const arena = { directory, store, contestants, rounds };
    const starts = await measureStarts(arena);
    return report(peers, starts, await compareAll(arena, only));
  } finally {
    await store.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

type Way = 'UP' | 'DOWN';

/** What one run took, from the start of the process to its end. */
interface Run {
  wholeMs: number;
  peakBytes?: number;
}

interface Contestant {
  name: string;
  run: (way: Way, store: BenchStore, prefix: string, directory: string) => Promise<Run>;
}

interface Arena {
  directory: string;
  store: BenchStore;
  contestants: Contestant[];
  rounds: number;
}

interface Load {
  name: string;
  /** Where its files are; the store has them under the prefix of its name. */
  directory: string;
  digest: string;
}

type Found = Map<string, Run[]>;

function ours(directory: string): Contestant {
  return {
    name: 'kelpie',
    run: (way, store, prefix, local) =>
      runSync({ way, prefix, directory: local, compression: false }, store, join(directory, 'compile-cache')),
  };
}

function peerAs(peer: Peer): Contestant {
  return {
    name: peer.name,
    run: async (way, store, prefix, local) => {
      const args = way === 'UP' ? peer.up(store, local, prefix) : peer.down(store, prefix, local);
      const began = performance.now();
      await run(peer.path, args, peer.environment(store));
      return { wholeMs: performance.now() - began };
    },
  };
}

async function run(program: string, args: string[], environment: Record<string, string>): Promise<void> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
  });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told = (told + text).slice(-1_000)));
  const code = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  if (code !== 0) throw new Error(`${program} ended with code ${String(code)}: ${told}`);
}

async function prepare(arena: Arena, name: string, write: (directory: string) => Promise<void>): Promise<Load> {
  const directory = join(arena.directory, name);
  await mkdir(directory);
  await write(directory);
  const load = { name, directory, digest: await digestOf(directory) };
  // The first run of each of us is for nothing: programs and files come from the disk, caches are filled.
  for (const contestant of arena.contestants) await once(arena, load, contestant, 'UP');
  const [first] = arena.contestants;
  await first?.run('UP', arena.store, name, directory);
  return load;
}

async function compare(arena: Arena, load: Load, way: Way): Promise<Found> {
  const found: Found = new Map(arena.contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < arena.rounds; round++) {
    // Everybody begins as often as everybody else: the one before leaves the disk busy.
    const shift = round % arena.contestants.length;
    const turn = [...arena.contestants.slice(shift), ...arena.contestants.slice(0, shift)];
    for (const contestant of turn) found.get(contestant.name)?.push(await once(arena, load, contestant, way));
  }
  for (const [name, runs] of found) {
    const times = runs.map(({ wholeMs }) => rounded(wholeMs / 1000, 2)).join(' ');
    say(`${load.name} ${way.toLowerCase()}  ${name.padEnd(14)} ${times} s`);
  }
  return found;
}

/** Milliseconds that each takes to bring one byte: what it takes to begin and to end, whatever there is to do. */
async function measureStarts(arena: Arena): Promise<Map<string, number>> {
  const load = await prepare(arena, 'byte', (path) => writeLargeFile(join(path, 'byte'), 1));
  const found = await compare({ ...arena, rounds: arena.rounds * STARTS_A_ROUND }, load, 'DOWN');
  return new Map([...found].map(([name, runs]) => [name, median(runs.map(({ wholeMs }) => wholeMs))]));
}

async function compareAll(arena: Arena, tasks: readonly TaskName[]): Promise<Map<TaskName, Found>> {
  const loads = {
    one: () => prepare(arena, 'large', (path) => writeLargeFile(join(path, 'weights.bin'), LARGE_BYTES)),
    many: () => prepare(arena, 'small', (path) => writeSmallFiles(path, SMALL.count, SMALL.bytes)),
  };
  const found = new Map<TaskName, Found>();
  for (const name of ['one', 'many'] as const) {
    const own = tasks.filter((task) => task.startsWith(name));
    if (own.length === 0) continue;
    const load = await loads[name]();
    for (const task of own) found.set(task, await compare(arena, load, task.endsWith('up') ? 'UP' : 'DOWN'));
  }
  return found;
}

/** One run, and the proof that it did its work. Leaves nothing behind but quiet disks. */
async function once(arena: Arena, load: Load, { name, run: transfer }: Contestant, way: Way): Promise<Run> {
  const { store } = arena;
  const prefix = way === 'UP' ? 'target' : load.name;
  const target = way === 'UP' ? join(store.directory, prefix) : join(arena.directory, 'target');
  if (way === 'DOWN') await mkdir(target);
  await quietDisk(arena.directory);
  const result = await transfer(way, store, prefix, way === 'UP' ? load.directory : target);
  const digest = await digestOf(target);
  if (digest !== load.digest)
    throw new Error(`${name} brought ${digest} ${way.toLowerCase()} in place of ${load.digest}`);
  await rm(target, { recursive: true });
  return result;
}

async function quietDisk(directory: string): Promise<void> {
  await run('sync', ['-f', directory], {});
}

function report(
  peers: Peer[],
  starts: ReadonlyMap<string, number>,
  tasks: ReadonlyMap<TaskName, Found>,
): Record<string, unknown> {
  const figures: Record<string, unknown> = { start_ms: roundedAll(starts) };
  const winners = new Set<string>();
  let peakBytes = 0;
  for (const [task, found] of tasks) {
    const wholes = new Map([...found].map(([name, runs]) => [name, median(runs.map(({ wholeMs }) => wholeMs))]));
    const transfers = new Map([...wholes].map(([name, ms]) => [name, ms - (starts.get(name) ?? Number.NaN)]));
    const [whole, transfer] = [ratioIn(wholes, peers), ratioIn(transfers, peers)];
    winners.add(whole.best);
    peakBytes = Math.max(peakBytes, ...(found.get('kelpie') ?? []).map((one) => one.peakBytes ?? 0));
    figures[`${task}_ratio`] = whole.ratio;
    figures[`${task}_transfer_ratio`] = transfer.ratio;
    figures[`${task}_ms`] = roundedAll(wholes);
    const times = [...wholes].map(([name, ms]) => `${name} ${rounded(ms, 0)} ms`).join(', ');
    say(
      `${task.padEnd(9)} ${times}: ${whole.ratio} times as quick as ${whole.best}, the transfer ${transfer.ratio} times`,
    );
  }
  figures.peak_rss_mib = rounded(peakBytes / 2 ** 20, 0);
  figures.peer = [...winners].join(', ');
  figures.n = [...tasks.values()][0]?.get('kelpie')?.length;
  say(`greatest memory of kelpie ${String(figures.peak_rss_mib)} MiB (n = ${String(figures.n)} rounds each)`);
  return figures;
}

function ratioIn(millis: ReadonlyMap<string, number>, peers: readonly Peer[]): { ratio: number; best: string } {
  const of = (name: string) => millis.get(name) ?? Number.NaN;
  const best = peers.map(({ name }) => name).reduce((a, b) => (of(a) <= of(b) ? a : b));
  return { ratio: rounded(of(best) / of('kelpie'), 2), best };
}

function roundedAll(millis: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...millis].map(([name, ms]) => [name, rounded(ms, 0)]));
}
