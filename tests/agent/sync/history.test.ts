import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptSync } from '../../../agent/sync/attempt-sync.ts';
import { always, type Bench, instruction, startBench } from './support/bench.ts';
import type { Relayed, Verdict } from './support/relay.ts';

/** How long the search for a bad history may take: much longer by KELPIE_HISTORY_SECONDS, with KELPIE_HISTORY_SEED to repeat. */
const SECONDS = Number(process.env.KELPIE_HISTORY_SECONDS ?? 6);
const SEED = process.env.KELPIE_HISTORY_SEED;

let bench: Bench;
beforeAll(async () => (bench = await startBench()));
afterAll(() => bench.stop());

const NAMES = ['a', 'b', 'deep/a', 'deep/train.log'];
const name = fc.constantFrom(...NAMES);

/** What a command does, what becomes of the requests meanwhile, and what becomes of the agent. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant('write' as const), name, size: fc.integer({ min: 0, max: 40 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant('replace' as const), name, size: fc.integer({ min: 0, max: 40 }) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('append' as const), name }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('rename' as const), name, to: name }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('remove' as const), name }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('moveAway' as const), isUnheard: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('moveBack' as const) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('settle' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('trouble' as const),
      verdict: fc.constantFrom<NonNullable<Verdict>>('nothing', 'nothing', 'cut', 503),
      requests: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom('suspend' as const, 'resume' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('crash' as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

describe('whatever a command does to its files, and whatever becomes of requests and agents', () => {
  it(
    'the bucket follows the directory, and never has what no file ever was',
    async () => {
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), (steps) => live(`history-${++runs}`, steps)),
        {
          numRuns: 100_000,
          interruptAfterTimeLimit: SECONDS * 1_000,
          markInterruptAsFailure: false,
          ...(SEED === undefined ? {} : { seed: Number(SEED) }),
        },
      );
      expect(runs).toBeGreaterThan(1);
    },
    (SECONDS + 60) * 1_000,
  );
});

async function live(prefix: string, steps: readonly Step[]): Promise<void> {
  const world = await createWorld(prefix);
  try {
    for (const one of steps) await world.take(one);
    await world.end();
  } finally {
    await world.clear();
  }
}

async function createWorld(prefix: string) {
  await bench.fresh();
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-history-'));
  const root = join(directory, 'ckpt');
  const deep = join(root, 'deep');
  const aside = join(directory, 'aside');
  await mkdir(root);
  /** Every state that the command ever gave to a file: what its object may hold. Whoever writes over a file empties it first. */
  const states = new Map(NAMES.map((file) => [file, new Set([''])]));
  const faults: string[] = [];
  let version = 0;
  let sync = await start();

  watchTheStore();

  function start(): Promise<AttemptSync> {
    return begin(prefix, directory);
  }
  function watchTheStore(): void {
    bench.relay.interfere = async (seen) => {
      const text = seen.body.toString();
      if (seen.method === 'PUT' && states.get(seen.key.slice(prefix.length + 1))?.has(text) !== true) {
        faults.push(`${seen.key} was made of what that file never was: ${JSON.stringify(text)}`);
      }
      return takeTrouble(seen);
    };
  }
  let trouble: { verdict: Verdict; requests: number } | undefined;
  function takeTrouble({ method }: Relayed): Verdict {
    if (trouble === undefined || (method !== 'PUT' && method !== 'DELETE')) return undefined;
    const { verdict } = trouble;
    trouble.requests -= 1;
    if (trouble.requests === 0) trouble = undefined;
    return verdict;
  }
  const content = (file: string, size: number) => {
    const text = `${++version}:${'x'.repeat(size)}`;
    states.get(file)?.add(text);
    return text;
  };
  const rest = () => new Promise((resolve) => setTimeout(resolve, 60));
  const path = (file: string) => join(root, file);

  async function take(one: Step): Promise<void> {
    switch (one.does) {
      case 'write': {
        await mkdir(dirname(path(one.name)), { recursive: true });
        // A write that is seen half-way is empty: to truncate comes before to write.
        await writeFile(path(one.name), content(one.name, one.size));
        return;
      }
      case 'replace': {
        await mkdir(dirname(path(one.name)), { recursive: true });
        await writeFile(join(directory, 'next'), content(one.name, one.size));
        await rename(join(directory, 'next'), path(one.name));
        return;
      }
      case 'append': {
        const before = await readFile(path(one.name), 'utf8').catch(() => undefined);
        if (before === undefined) return;
        const more = `+${++version}`;
        states.get(one.name)?.add(before + more);
        await appendFile(path(one.name), more);
        return;
      }
      case 'rename': {
        const moved = await readFile(path(one.name), 'utf8').catch(() => undefined);
        if (moved === undefined) return;
        states.get(one.to)?.add(moved);
        await mkdir(dirname(path(one.to)), { recursive: true });
        await rename(path(one.name), path(one.to));
        return;
      }
      case 'remove':
        await rm(path(one.name), { force: true });
        return;
      case 'moveAway':
        // The files' own times stay as they are.
        await rename(deep, aside).catch(() => undefined);
        if (one.isUnheard) trouble = { verdict: 'nothing', requests: 1 };
        await rest();
        return;
      case 'moveBack':
        await rename(aside, deep).catch(() => undefined);
        return;
      case 'settle':
        await rest();
        return;
      case 'trouble':
        trouble = { verdict: one.verdict, requests: one.requests };
        return;
      case 'suspend':
        await sync.suspend();
        return;
      case 'resume':
        sync.resume();
        return;
      case 'crash':
        // The machine goes, and another one takes over from the bucket.
        await sync.stop();
        trouble = undefined;
        await rm(root, { recursive: true, force: true });
        await rm(aside, { recursive: true, force: true });
        await mkdir(root);
        sync = await start();
    }
  }

  async function end(): Promise<void> {
    trouble = undefined;
    sync.resume();
    await sync.flush(always);
    await sync.stop();
    expect(faults).toEqual([]);
    expect(await inBucket(prefix)).toEqual(await onDisk(root));
  }
  async function clear(): Promise<void> {
    await sync.stop();
    await bench.clear();
    await rm(directory, { recursive: true, force: true });
  }
  return { take, end, clear };
}

async function begin(prefix: string, directory: string): Promise<AttemptSync> {
  const place = instruction('DOWNLOAD', prefix, 'ckpt');
  const sync = bench.sync({
    before: [place],
    during: [{ ...place, direction: 'UPLOAD' }],
    workingDirectory: directory,
    settings: { debounceMs: 5, stabilityCheckMs: 10, maxWaitMs: 60, maxRetries: 0 },
  });
  await sync.prepare();
  await sync.download(always);
  await sync.watch();
  return sync;
}

async function inBucket(prefix: string): Promise<Record<string, string | undefined>> {
  const keys = await bench.keys(`${prefix}/`);
  const texts = await Promise.all(keys.map((key) => bench.text(key)));
  return Object.fromEntries(keys.map((key, index) => [key.slice(prefix.length + 1), texts[index]]));
}

async function onDisk(root: string): Promise<Record<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return Object.fromEntries(files.map((file, index) => [file.slice(root.length + 1), texts[index] ?? '']));
}
