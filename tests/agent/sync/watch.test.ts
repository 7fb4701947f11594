import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWatch, type Watch } from '../../../agent/sync/watch.ts';
import { eventually } from './support/bench.ts';

const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
let directory: string;
let watch: Watch | undefined;
let looks = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-watch-'));
  looks = 0;
});
afterEach(async () => {
  await watch?.stop();
  await rm(directory, { recursive: true });
});

function ignore(): void {
  // Nothing is said here that a test asks for.
}

const pass = async () => {
  looks += 1;
  return { again: undefined, lookedMs: 1 };
};

describe('a directory', () => {
  it('is looked at again and again, although nothing hints at a change', async () => {
    watch = createWatch({ roots: [], pass, debounceMs: 10, maxWaitMs: 20, log });
    await watch.start();
    await eventually(() => looks >= 3);
  });

  it('that changes without a pause is looked at soon, although no quiet moment asks for it', async () => {
    watch = createWatch({ roots: [directory], pass, debounceMs: 30_000, maxWaitMs: 20_000, log });
    await watch.start();
    await eventually(() => looks === 1);
    await eventually(async () => {
      await appendFile(join(directory, 'train.log'), 'a line\n');
      return looks === 2;
    }, 10_000);
    expect(looks).toBe(2);
  });
});
