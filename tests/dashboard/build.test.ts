import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { buildDashboard, bundledPackages, firstLoad } from '../../deploy/dashboard.ts';
import { DASHBOARD_DIRECTORY } from '../../server/dashboard.ts';

/** What a browser loads before it shows anything, and what it may weigh (bytes, compressed with gzip). */
const FIRST_LOAD_BYTES = 250_000;

beforeAll(async () => {
  await buildDashboard();
}, 120_000);

test('the first page needs at most 250 kB of script', async () => {
  const { gzipBytes } = await firstLoad();
  expect(gzipBytes).toBeGreaterThan(30_000);
  expect(gzipBytes).toBeLessThanOrEqual(FIRST_LOAD_BYTES);
});

test('a page names nothing of another origin, and everything by its content', async () => {
  const page = await text('index.html');
  const addresses = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
  expect(addresses.length).toBeGreaterThan(2);
  for (const address of addresses) expect(address).toMatch(/^\/assets\/[\w.-]+-[\w-]{8}\.(?:js|css|svg)$/);
  const styles = (await readdir(join(DASHBOARD_DIRECTORY, 'assets'))).filter((name) => name.endsWith('.css'));
  for (const name of styles) expect(await text(`assets/${name}`)).not.toMatch(/@import|url\((?!#)/);
});

test('of what browsers get the packages are known, with the words of their licences, and tools are not among them', async () => {
  const names = (await bundledPackages()).map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['react', 'react-dom', 'urql', 'uplot', 'wouter', '@visx/axis']));
  expect(names).not.toContain('vite');
  expect(await text('licenses.json')).toContain('Permission is hereby granted, free of charge');
});

test('is not built again while nothing has changed', async () => {
  expect((await buildDashboard()).built).toBe(false);
});

async function text(path: string): Promise<string> {
  return readFile(join(DASHBOARD_DIRECTORY, path), 'utf8');
}
