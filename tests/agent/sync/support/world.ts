import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { AttemptSync } from '../../../../agent/sync/attempt-sync.ts';
import { always, type Bench, death, instruction } from './bench.ts';
import { createCommand, isCheckpoint, LATEST } from './command.ts';
import { beginsUpload, changeOf, createJudge, nameIn } from './judge.ts';
import type { Relayed, Verdict } from './relay.ts';

export interface History {
  /** How long a file must rest before it is taken for finished, in milliseconds. */
  settlesMs: number;
  steps: readonly Step[];
  /** Whether the command is killed in the end while it writes over a file. */
  dies: boolean;
}

/** What a command does, what becomes of the requests meanwhile, and what becomes of the agent. */
export type Step =
  | { does: 'write' | 'replace'; name: string; size: number }
  | ({ does: 'writeSlowly' } & SlowWrite)
  /** Begins while the next upload of the file `during` is on its way. */
  | ({ does: 'writeMeanwhile'; during: string } & SlowWrite)
  | { does: 'append' | 'remove'; name: string }
  | { does: 'rename'; name: string; to: string }
  | { does: 'checkpoint'; size: number; isDataSlow: boolean }
  | { does: 'moveAway' | 'moveBack' | 'settle' | 'suspend' | 'resume' | 'crash' }
  /** A directory goes, or another takes its place, until the store was told so without its answer getting through; then it is back. */
  | { does: 'outAndBack'; isReplaced: boolean }
  | { does: 'trouble'; verdict: NonNullable<Verdict>; requests: number };

interface SlowWrite {
  name: string;
  size: number;
  share: number;
  keeps: boolean;
}

/** Lives through a history, and demands what must hold on the way and in the end. */
export async function live(bench: Bench, history: History): Promise<void> {
  await bench.fresh();
  // What an earlier one has left on its way is none of this one's.
  const prefix = `history-${randomUUID()}`;
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-history-'));
  const world = await createWorld(bench, prefix, directory, history.settlesMs);
  try {
    for (const one of history.steps) await world.take(one);
    await world.end(history.dies);
  } finally {
    await world.clear();
    await bench.clear();
    await rm(directory, { recursive: true, force: true });
  }
}

/** In the directory that comes and goes. */
const MOVED = 'deep/a';
/** Nobody's whose files are synced here. */
const FOREIGN = 'of-others';
/** The longest that is waited for what trouble may keep from happening. */
const PATIENCE_MS = 1_000;
/** The longest that a bucket may take to follow without any. */
const FOR_SURE_MS = 20_000;

async function createWorld(bench: Bench, prefix: string, directory: string, settlesMs: number) {
  await bench.put(`${prefix}/${FOREIGN}`, FOREIGN);
  const command = await createCommand(directory);
  const judge = createJudge(bench, prefix, (name, text) => command.everWas(name, text, settlesMs));
  const trouble = createTrouble();
  let meanwhile: (Step & { does: 'writeMeanwhile' }) | undefined;
  let isDataSlow = false;
  let isSuspended = false;
  let sync = await begin(bench, prefix, directory, settlesMs);

  bench.relay.interfere = async (seen) => {
    const name = nameIn(prefix, seen.key);
    if (name === undefined) return undefined;
    if (beginsUpload(seen) && meanwhile?.during === name) await writeMeanwhile(meanwhile);
    const change = changeOf(seen);
    if (change === undefined) return undefined;
    judge.hear(seen, name);
    // So slow that what does not wait for it comes first.
    if (change === 'made' && isDataSlow && isCheckpoint(name)) await new Promise((done) => setTimeout(done, 30));
    const verdict = trouble.meet(seen, name);
    if (verdict !== undefined) judge.excuse();
    return verdict;
  };

  /** Waits until the bucket has what the disk has; a store in trouble may not let that be, and a closed gate never does. */
  const settle = async (patienceMs = PATIENCE_MS) => {
    const deadline = performance.now() + patienceMs;
    while (!isSuspended && performance.now() < deadline) {
      if (judge.agrees(await command.files())) return true;
      await new Promise((done) => setTimeout(done, 10));
    }
    return false;
  };
  const writeMeanwhile = (one: Step & { does: 'writeMeanwhile' }) => {
    meanwhile = undefined;
    return new Promise<undefined>((resolve, reject) => {
      const { name, size, share, keeps } = one;
      const how = { share, keeps, pauseMs: settlesMs / 2, onHalf: () => resolve(undefined) };
      command.writeSlowly(name, size, how).catch(reject);
    });
  };
  const outAndBack = async (isReplaced: boolean) => {
    if (isSuspended) return;
    trouble.end();
    await command.write(MOVED, 5);
    await settle();
    const told = trouble.begin(
      'nothing',
      3,
      (seen, name) => name === MOVED && seen.method === (isReplaced ? 'PUT' : 'DELETE'),
    );
    if (!(await command.move('ckpt/deep', 'elsewhere'))) return;
    if (isReplaced) await command.write(MOVED, 9);
    await Promise.race([told, new Promise((done) => setTimeout(done, PATIENCE_MS))]);
    await command.remove('deep');
    await command.move('elsewhere', 'ckpt/deep');
    trouble.end();
  };
  const crash = async () => {
    // The machine goes, and another one takes over from the bucket.
    await sync.stop();
    trouble.end();
    isSuspended = false;
    await command.restart();
    sync = await begin(bench, prefix, directory, settlesMs);
  };

  async function take(one: Step): Promise<unknown> {
    switch (one.does) {
      case 'write':
        return command.write(one.name, one.size);
      case 'writeSlowly':
        return command.writeSlowly(one.name, one.size, {
          ...{ share: one.share, keeps: one.keeps, pauseMs: settlesMs / 2 },
        });
      case 'writeMeanwhile':
        return (meanwhile = one);
      case 'replace':
        return command.replace(one.name, one.size);
      case 'append':
        return command.append(one.name);
      case 'rename':
        return command.rename(one.name, one.to);
      case 'remove':
        return command.remove(one.name);
      case 'checkpoint':
        isDataSlow = one.isDataSlow;
        if (!trouble.isThere()) judge.demandOrder();
        return command.checkpoint(one.size);
      case 'moveAway':
        return command.move('ckpt/deep', 'aside');
      case 'moveBack':
        return command.move('aside', 'ckpt/deep');
      case 'outAndBack':
        return outAndBack(one.isReplaced);
      case 'settle':
        return settle();
      case 'trouble':
        void trouble.begin(one.verdict, one.requests);
        return;
      case 'suspend':
        isSuspended = true;
        return sync.suspend();
      case 'resume':
        isSuspended = false;
        sync.resume();
        return;
      case 'crash':
        return crash();
    }
  }

  return {
    take,
    async end(dies: boolean): Promise<void> {
      trouble.end();
      meanwhile = undefined;
      isSuspended = false;
      sync.resume();
      const expected = await (dies ? dieWriting() : command.files().then((files) => () => files));
      await sync.flush(always);
      await sync.stop();
      expect(judge.faults()).toEqual([]);
      expect(await inBucket(bench, prefix)).toEqual({ [FOREIGN]: FOREIGN, ...expected() });
    },
    clear: () => sync.stop(),
  };

  /** What the bucket has of the file that is torn stays as it is; it was published before. */
  async function dieWriting() {
    await command.write('a', 40);
    expect(await settle(FOR_SURE_MS)).toBe(true);
    const files = await command.files();
    command.dieWriting('a');
    sync.commandMayHaveDied([death(Date.now())]);
    return () => files;
  }
}

async function begin(bench: Bench, prefix: string, directory: string, settlesMs: number): Promise<AttemptSync> {
  const place = instruction('DOWNLOAD', prefix, 'ckpt', {
    pattern: `{${['a', 'b', LATEST, 'step-*', 'deep/**'].join()}}`,
  });
  const sync = bench.sync({
    before: [place],
    during: [{ ...place, direction: 'UPLOAD' }],
    workingDirectory: directory,
    settings: { debounceMs: 5, stabilityCheckMs: settlesMs, maxWaitMs: Math.max(60, settlesMs), maxRetries: 0 },
  });
  await sync.prepare();
  await sync.download(always);
  await sync.watch();
  return sync;
}

/** What becomes of some of the requests that change the bucket. */
function createTrouble() {
  let present: { verdict: Verdict; requests: number; fits: Fits; met: (_: undefined) => void } | undefined;
  return {
    /** Resolves when the first request has met it. */
    begin(verdict: Verdict, requests: number, fits: Fits = () => true): Promise<undefined> {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      present = { verdict, requests, fits, met: resolve };
      return promise;
    },
    meet(seen: Relayed, name: string): Verdict {
      if (present === undefined || !present.fits(seen, name)) return undefined;
      const { verdict, met } = present;
      present.requests -= 1;
      if (present.requests === 0) present = undefined;
      met(undefined);
      return verdict;
    },
    isThere: () => present !== undefined,
    end: () => (present = undefined),
  };
}

type Fits = (seen: Relayed, name: string) => boolean;

async function inBucket(bench: Bench, prefix: string): Promise<Record<string, string | undefined>> {
  const keys = await bench.keys(`${prefix}/`);
  const texts = await Promise.all(keys.map((key) => bench.text(key)));
  return Object.fromEntries(keys.map((key, index) => [key.slice(prefix.length + 1), texts[index]]));
}
