import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { z } from 'zod';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { DASHBOARD_DIRECTORY } from '../server/dashboard.ts';

const root = join(import.meta.dirname, '..');
const SOURCES = join(root, 'dashboard');
const VITE = join(root, 'node_modules/vite/bin/vite.js');
/** In the build: says what it was made of. */
const STAMP = '.built-from';

/**
 * Builds the dashboard when its sources, or the versions of what it is made with, have changed since the last time.
 * @returns whether it was built, and how long all took, in milliseconds
 */
export async function buildDashboard(): Promise<{ built: boolean; ms: number }> {
  const began = performance.now();
  const wanted = await fingerprint();
  const isNew = (await stampOfBuild()) === wanted;
  if (!isNew) await replaceBuild(wanted);
  return { built: !isNew, ms: performance.now() - began };
}

/**
 * What a browser loads of the build before it shows anything: the scripts that the page names, and what those import right away.
 * @returns how many scripts, and what they weigh compressed with gzip, in bytes
 */
export async function firstLoad(): Promise<{ scripts: number; gzipBytes: number }> {
  const page = await readFile(join(DASHBOARD_DIRECTORY, 'index.html'), 'utf8');
  const scripts = new Set<string>();
  for (const [, path = ''] of page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)) await collect(path, scripts);
  const sizes = await Promise.all([...scripts].map(async (path) => stat(join(DASHBOARD_DIRECTORY, `${path}.gz`))));
  return { scripts: scripts.size, gzipBytes: sizes.reduce((sum, { size }) => sum + size, 0) };
}

async function collect(path: string, into: Set<string>): Promise<void> {
  if (into.has(path)) return;
  into.add(path);
  const text = await readFile(join(DASHBOARD_DIRECTORY, path), 'utf8');
  const imported = text.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g);
  for (const [, name = ''] of imported) await collect(`assets/${name}`, into);
}

const licensed = z.object({ name: z.string(), version: z.string() });

/**
 * The packages whose code is in the build, by what went into the bundle. Their licences' texts stand beside them in that file.
 * @throws when there is no build, or nothing of a package is in it
 */
export async function bundledPackages(): Promise<{ name: string; version: string }[]> {
  const text = await readFile(join(DASHBOARD_DIRECTORY, 'licenses.json'), 'utf8');
  return z.array(licensed).min(1).parse(JSON.parse(text));
}

/** In a process of its own: what it makes depends on variables, of which a test runner sets some. */
async function runVite(directory: string): Promise<void> {
  const args = ['build', SOURCES, '--outDir', directory, '--emptyOutDir', '--logLevel', 'warn'];
  await promisify(execFile)(process.execPath, [VITE, ...args], {
    cwd: root,
    env: { ...process.env, NODE_ENV: 'production' },
  });
}

async function stampOfBuild(): Promise<string | undefined> {
  return readFile(join(DASHBOARD_DIRECTORY, STAMP), 'utf8').catch(() => undefined);
}

/** Beside the old one, so that a server never sends half of it, and a build that is broken off leaves nothing that looks whole. */
async function replaceBuild(stamp: string): Promise<void> {
  await mkdir(join(root, 'dist'), { recursive: true });
  const directory = await makeTemporaryDirectory('dashboard-', join(root, 'dist'));
  try {
    await runVite(directory);
    await compress(directory);
    await writeFile(join(directory, STAMP), stamp);
    // Somebody else may have built the same at the same time, and sends it already.
    if ((await stampOfBuild()) === stamp) return;
    await rm(DASHBOARD_DIRECTORY, { recursive: true, force: true });
    await rename(directory, DASHBOARD_DIRECTORY);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function fingerprint(): Promise<string> {
  const names = await readdir(SOURCES, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const hash = createHash('sha256');
  for (const file of [...files.toSorted(), join(root, 'package-lock.json'), import.meta.filename]) {
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(await readFile(file))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Once here, as small as it gets, rather than with each answer. */
async function compress(directory: string): Promise<void> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const texts = names.filter((entry) => entry.isFile() && /\.(?:js|css|html|svg)$/.test(entry.name));
  await Promise.all(
    texts.map(async (entry) => {
      const file = join(entry.parentPath, entry.name);
      const content = await readFile(file);
      const [brotli, gzipped] = await Promise.all([promisify(brotliCompress)(content), promisify(gzip)(content)]);
      await Promise.all([writeFile(`${file}.br`, brotli), writeFile(`${file}.gz`, gzipped)]);
    }),
  );
}
