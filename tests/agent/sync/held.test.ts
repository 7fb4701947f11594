import { appendFile, rename, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHeldFiles, type HeldFiles } from '../../../agent/sync/held.ts';
import type { Publication } from '../../../agent/sync/transfer.ts';
import { always, benchOfFile, BUCKET } from './support/bench.ts';

const bench = await benchOfFile();
const { local } = bench;
let held: HeldFiles;
beforeEach(() => {
  held = createHeldFiles();
});
afterEach(() => held.letGo());
const ignore = () => undefined;
const publicationOf = (name: string): Publication => ({
  store: bench.store,
  policy: { maxRetries: 0, log: { debug: ignore, info: ignore, warn: ignore, error: ignore } },
  source: local(name),
  address: { bucket: BUCKET, key: `held/${name}` },
  ...{ name, compression: false, answered: (question) => question, onMoved: ignore, onArrived: ignore, signal: always },
});
/** A look that sees these replaced, in the order in which they were first seen not to be published, and `others` in some other way. */
const look = (names: readonly string[], ...others: string[]) =>
  held.giveTurns(new Map(names.map((name, since) => [name, since])), (id) => [...names, ...others].includes(id));
const publishOf = (name: string, hasRested: boolean) => held.publish(name, publicationOf(name), () => hasRested);
const publish = (name: string, hasRested: boolean) => {
  look([name]);
  return publishOf(name, hasRested);
};
const heldOf = (names: readonly string[]) => names.filter((name) => held.sizeOf(name) !== undefined);

describe('a file that is held', () => {
  it('is published once it has rested, whatever has its name by then', async () => {
    await bench.write('model', 'first');
    expect(await publish('model', false)).toEqual({ kind: 'changed' });
    await bench.write('next', 'second');
    await rename(local('next'), local('model'));
    expect(await publish('model', true)).toMatchObject({ kind: 'published', state: { size: 5 } });
    expect(await bench.text('held/model')).toBe('first');
    // What was published is let go of: the next one is what is there now.
    expect(await publish('model', false)).toEqual({ kind: 'changed' });
    await publish('model', true);
    expect(await bench.text('held/model')).toBe('second');
  });

  it('is not published when it was written to meanwhile', async () => {
    await bench.write('written', 'half');
    await publish('written', false);
    await appendFile(local('written'), ' and half');
    expect(await publish('written', true)).toEqual({ kind: 'changed' });
    expect(await bench.text('held/written')).toBeUndefined();
  });

  it('is not published when it was written to while it was read', async () => {
    const size = 9 * 2 ** 20;
    await bench.write('large', Buffer.alloc(size, 'a'));
    await publish('large', false);
    bench.relay.interfere = async ({ query }) => {
      if (query.has('uploads')) await appendFile(local('large'), 'b');
      return undefined;
    };
    expect(await publish('large', true)).toEqual({ kind: 'changed' });
    expect(await bench.text('held/large')).toBeUndefined();
  });

  it('is forgotten when it is let go of, and not there when there is none', async () => {
    await bench.write('model', 'first');
    await publish('model', false);
    look([]);
    await rm(local('model'));
    expect(await publish('model', true)).toEqual({ kind: 'gone' });
  });
});

describe('of many files', () => {
  it('no more are held than there are places, however many come at once', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `part-${index}`);
    await Promise.all(names.map((name) => bench.write(name, name)));
    look(names);
    await Promise.all(names.map((name) => publishOf(name, false)));
    expect(heldOf(names)).toHaveLength(64);
  });

  it('each gets its turn: whoever waits for the longest is held next, not who comes first', async () => {
    held = createHeldFiles(1);
    const names = ['a', 'b', 'c'];
    const published: string[] = [];
    for (const name of names) await bench.write(name, name);
    for (let looks = 0; looks < 8; looks++) {
      look(names);
      // What was held comes first, and what it was held for wants to be held again before `c`.
      const rested = heldOf(names);
      for (const name of new Set([...rested, ...names])) {
        if ((await publishOf(name, rested.includes(name))).kind === 'published') published.push(name);
      }
    }
    const counts = names.map((name) => published.filter((one) => one === name).length);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(2);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  it('one that is not wanted for two looks makes way, and no sooner', async () => {
    held = createHeldFiles(1);
    await Promise.all(['a', 'b'].map((name) => bench.write(name, name)));
    await publish('a', false);
    look(['b'], 'a');
    await publishOf('b', false);
    expect(heldOf(['a', 'b'])).toEqual(['a']);
    look(['b'], 'a');
    await publishOf('b', false);
    expect(heldOf(['a', 'b'])).toEqual(['b']);
  });
});
