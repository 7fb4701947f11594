import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { buildDashboard } from '../../deploy/dashboard.ts';
import { DASHBOARD_DIRECTORY } from '../../server/dashboard.ts';

/** What a browser loads before it shows anything, and what it may weigh (bytes, compressed with gzip). */
const FIRST_LOAD_BYTES = 250_000;

beforeAll(async () => {
  await buildDashboard();
}, 120_000);

test('the first page needs at most 250 kB of script', async () => {
  const page = await text('index.html');
  const named = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(([, path = '']) => path);
  const scripts = new Set<string>();
  // What a script imports right away is loaded with it.
  for (const path of named) await collect(path, scripts);
  const sizes = await Promise.all([...scripts].map(async (path) => (await promisify(gzip)(await text(path))).length));
  const size = sizes.reduce((sum, each) => sum + each, 0);
  expect(size).toBeGreaterThan(30_000);
  expect(size).toBeLessThanOrEqual(FIRST_LOAD_BYTES);
});

test('a page names nothing of another origin, and everything by its content', async () => {
  const page = await text('index.html');
  const addresses = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
  expect(addresses.length).toBeGreaterThan(2);
  for (const address of addresses) expect(address).toMatch(/^\/assets\/[\w.-]+-[\w-]{8}\.(?:js|css|svg)$/);
  const styles = (await readdir(join(DASHBOARD_DIRECTORY, 'assets'))).filter((name) => name.endsWith('.css'));
  for (const name of styles) expect(await text(`assets/${name}`)).not.toMatch(/@import|url\((?!#)/);
});

test('is not built again while nothing has changed', async () => {
  expect((await buildDashboard()).built).toBe(false);
});

async function collect(path: string, into: Set<string>): Promise<void> {
  if (into.has(path)) return;
  into.add(path);
  const imported = [...(await text(path)).matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)];
  for (const [, name = ''] of imported) await collect(`assets/${name}`, into);
}

async function text(path: string): Promise<string> {
  return readFile(join(DASHBOARD_DIRECTORY, path), 'utf8');
}
