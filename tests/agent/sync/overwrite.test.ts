import { open } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { benchOfFile, eventually, instruction } from './support/bench.ts';

const bench = await benchOfFile();

/** The whole of a version says which one it is. */
const contentOf = (version: number) => Buffer.alloc(64 * 1024, version.toString().padStart(8, '0'));

// `npm run bench -- overwrite` is the same for longer, at two sizes, on a store on a disk.
it('a checkpoint written over in place all the time is only ever published as one whole version, and the last soon', async () => {
  const path = await bench.write('ckpt/model', contentOf(0));
  const sync = bench.sync({ during: [instruction('UPLOAD', 'over', 'ckpt')], settings: { maxWaitMs: 5_000 } });
  await sync.prepare();
  await sync.watch();
  await eventually(async () => (await bench.text('over/model')) !== undefined);
  const copies: string[] = [];
  const file = await open(path, 'r+');
  const VERSIONS = 60;
  for (let version = 1; version <= VERSIONS; version++) {
    await file.write(contentOf(version), 0, 64 * 1024, 0);
    copies.push((await bench.text('over/model')) ?? '');
    // Now and then for long enough to be taken for finished.
    await new Promise((resolve) => setTimeout(resolve, version % 20 === 0 ? 100 : 10));
  }
  const lastWritten = performance.now();
  await file.close();
  await eventually(async () => (await bench.text('over/model')) === contentOf(VERSIONS).toString());
  expect(performance.now() - lastWritten).toBeLessThan(2_000);
  for (const copy of copies) expect(copy).toBe(contentOf(Number(copy.slice(0, 8))).toString());
});
