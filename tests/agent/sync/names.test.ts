import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { always, benchOfFile, eventually, instruction } from './support/bench.ts';

/** Names that some program once took for something else. */
const NAMES = [
  ...['empty', ' leading', 'trailing ', 'a  b', 'tab\there', 'new\nline', 'return\rhere', 'one\u0001'],
  ...['hash#1', '100%', '%2F', '%2e%2e', 'plus+', 'question?a=b', 'amp&eq=', "quote'", 'double"', 'back\\slash'],
  ...['semi;colon', '<xml>', ']]>', '*', '[a-z]', '$HOME', '`id`', '-rf', '~', '...', '..a', '.hidden', 'a..', 'x:y|z'],
  ...['caf\u00e9', 'cafe\u0301', '\u2603', '\u{1f600}', '\u202egnp', 'a'.repeat(255), '\u00e9'.repeat(127)],
  ...[
    `${'deep/'.repeat(60)}file`,
    '.kelpie-part-notes',
    '.kelpie-part-',
    'x.kelpie-part-y',
    'archive.gz',
    'dir.gz/file',
  ],
];

/** Files at once; as many as a burst may have by KELPIE_BURST_FILES. */
const BURST = Number(process.env.KELPIE_BURST_FILES ?? 300);

const bench = await benchOfFile();
const { local } = bench;

it.each([false, true])('every name makes the round trip (compressed: %s)', async (compression) => {
  const prefix = `names-${compression}`;
  const names = await namesFor(compression ? '.gz' : '');
  const contentOf = (name: string) => (name === 'empty' ? '' : `content of ${name}`);
  for (const name of names) await bench.write(`out/${name}`, contentOf(name));
  await bench.sync({ after: [instruction('UPLOAD', prefix, 'out')], compression }).uploadAfter(always);
  const back = bench.sync({ before: [instruction('DOWNLOAD', prefix, 'back')], compression });
  await back.download(always);
  expect(await filesIn(local('back'))).toEqual(names.toSorted());
  for (const name of names) expect(await readFile(local(`back/${name}`), 'utf8')).toBe(contentOf(name));
});

it('a mirrored directory follows through large files, rewriting, renaming and deleting', async () => {
  const sync = bench.sync({ during: [instruction('UPLOAD', 'follow', 'ckpt')] });
  await sync.prepare();
  await bench.write('ckpt/before', 'there before the watch');
  await sync.watch();
  await bench.write('ckpt/model', Buffer.alloc(9 * 2 ** 20, 'a'));
  await eventually(async () => (await bench.keys('follow/')).length === 2, 20_000);
  await bench.write('ckpt/model', Buffer.alloc(9 * 2 ** 20 + 1, 'b'));
  await rename(local('ckpt/before'), local('ckpt/after'));
  await sync.flush(always);
  expect(await bench.keys('follow/')).toEqual(['follow/after', 'follow/model']);
  await bench.sync({ before: [instruction('DOWNLOAD', 'follow', 'back')] }).download(always);
  expect((await readFile(local('back/model'))).equals(Buffer.alloc(9 * 2 ** 20 + 1, 'b'))).toBe(true);
  expect(await readFile(local('back/after'), 'utf8')).toBe('there before the watch');
});

it(`a directory of ${BURST} files that is moved in at once arrives whole`, { timeout: 300_000 }, async () => {
  const sync = bench.sync({ during: [instruction('UPLOAD', 'burst', 'ckpt')], settings: { concurrency: 32 } });
  await sync.prepare();
  await sync.watch();
  await mkdir(local('aside'));
  for (let index = 0; index < BURST; index++) await bench.write(`aside/${index}`, String(index));
  await rename(local('aside'), local('ckpt/moved-in'));
  await eventually(() => sync.counts().filesUploaded === BURST, 240_000);
  await sync.flush(always);
  expect(sync.counts().filesUploaded).toBe(BURST);
  const back = bench.sync({ before: [instruction('DOWNLOAD', 'burst', 'back')], settings: { concurrency: 32 } });
  await back.download(always);
  expect((await filesIn(local('back'))).length).toBe(BURST);
});

/** Without those that the store itself refuses, or brings back changed, when they are put there by its own means. */
async function namesFor(end: string): Promise<string[]> {
  const refused: string[] = [];
  for (const name of NAMES) {
    const why = await bench.put(`probe/${name}${end}`, name).then(
      async () => ((await bench.text(`probe/${name}${end}`)) === name ? undefined : 'it does not give it back'),
      (error: unknown) => String(error),
    );
    if (why === undefined) continue;
    refused.push(name);
    console.warn(`the store refuses the name ${JSON.stringify(name.slice(0, 40))}, which is skipped: ${why}`);
  }
  const listed = await bench.keys('probe/');
  for (const name of NAMES.filter((one) => !refused.includes(one) && !listed.includes(`probe/${one}${end}`))) {
    refused.push(name);
    console.warn(`the store lists the name ${JSON.stringify(name)} as another one; it is skipped`);
  }
  await Promise.all(NAMES.map((name) => bench.remove(`probe/${name}${end}`).catch(() => undefined)));
  expect(refused.length).toBeLessThan(5);
  return NAMES.filter((name) => !refused.includes(name));
}

async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.map((file) => file.slice(root.length + 1)).sort();
}
