import { symlink } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createCollisions } from '../../../agent/sync/collision.ts';
import { always, benchOfFile, instruction } from './support/bench.ts';

const bench = await benchOfFile();

const up = (prefix: string, path: string) => instruction('UPLOAD', prefix, path);

describe('two files that would become the same object', () => {
  it('are told, and the first entry wins', async () => {
    const sync = bench.sync({ after: [up('both', 'one'), up('both', 'two'), up('both/deep', 'three')] });
    for (const path of ['one/same', 'two/same', 'one/mine', 'two/yours', 'two/deep/x', 'three/x']) {
      await bench.write(path, `of ${path}`);
    }
    await bench.write('three/own', 'of three');
    await sync.uploadAfter(always);
    expect(await bench.text('both/same')).toBe('of one/same');
    expect(await bench.text('both/deep/x')).toBe('of two/deep/x');
    expect(sync.state().warning).toMatch(
      /one\/same and .*two\/same would both be the object herd.*\/both\/same, which holds the first \(and 1 more such\): give/,
    );
  });

  it('are told also where one is synced during the command, and the other after it', async () => {
    const sync = bench.sync({ during: [up('later', 'ckpt')], after: [up('later', 'out')] });
    await sync.prepare();
    await bench.write('ckpt/model', 'checkpoint');
    await bench.write('out/model', 'result');
    await sync.flush(always);
    expect(sync.state().warning).toBe(undefined);
    await sync.uploadAfter(always);
    expect(sync.state().warning).toMatch(/out\/model and .*ckpt\/model would both be/);
    expect(await bench.text('later/model')).toBe('result');
  });

  it('are none where they are one file, or never there at once', async () => {
    await bench.write('out/deep/x', 'x');
    await symlink('deep/x', bench.local('out/link'));
    const nested = bench.sync({ during: [up('one', 'out')], after: [up('one', 'out'), up('one/deep', 'out/deep')] });
    await nested.flush(always);
    await nested.uploadAfter(always);
    expect(nested.state().warning).toBe(undefined);
  });

  it('are told in as many characters as the server takes', () => {
    const collisions = createCollisions();
    const long = (name: string) => `/${name}/${'\u{1f600}'.repeat(2_000)}`;
    collisions.note({ id: long('bucket'), kept: long('kept'), lost: long('lost') });
    const warning = collisions.warning()!;
    expect(warning.length).toBeLessThanOrEqual(500);
    expect(warning.isWellFormed()).toBe(true);
    expect(warning).toMatch(/keep their files apart$/);
  });
});
