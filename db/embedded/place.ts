import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The operating system's user that PostgreSQL runs as. */
export interface Owner {
  uid: number;
  gid: number;
}

/**
 * The data directory to use for `wanted`: itself, as an absolute path, wherever PostgreSQL can reach it. PostgreSQL refuses
 * to run as root, so root runs it as another user, who may not enter a checkout below, say, /root. Then it is a directory
 * in /var/tmp that is always the same for the same `wanted`.
 */
export function dataDirectoryFor(wanted: string): string {
  const directory = resolve(wanted);
  const owner = ownerFor(directory);
  if (owner === undefined || canReach(dirname(directory), owner)) return directory;
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  return `/var/tmp/kelpie-postgres-data-${name}`;
}

/**
 * Makes the directory, and returns whom PostgreSQL is to run as: undefined is the present user.
 * Throws an Error when the directory belongs to somebody else, or holds something else.
 */
export function prepareDirectory(directory: string): Owner | undefined {
  const owner = ownerFor(directory);
  if (owner === undefined) mkdirSync(directory, { recursive: true });
  else makeOpen(directory);
  const { uid, mode } = statSync(directory);
  const ours = [process.getuid?.(), owner?.uid];
  if (!ours.includes(uid) || (mode & 0o022) !== 0) {
    throw new Error(
      `expected ${directory} to belong to this user and to be writable for nobody else, but it belongs to user id ${uid} ` +
        `with mode ${(mode & 0o777).toString(8)}; remove it or use another data directory`,
    );
  }
  const entries = readdirSync(directory);
  if (
    entries.length > 0 &&
    !entries.some((name) => name === 'cluster' || name === 'users' || name.startsWith('new-'))
  ) {
    throw new Error(
      `expected ${directory} to be empty or a data directory of ours, but it holds ${entries.join(', ')}`,
    );
  }
  // What is inside guards itself; PostgreSQL's user only has to pass through.
  chmodSync(directory, owner === undefined ? 0o700 : 0o711);
  return owner;
}

/** Whether the owner may enter the directory and all above it. Of those that don't exist yet, we are the maker. */
export function canReach(directory: string, owner: Owner): boolean {
  if (!existsSync(directory)) return canReach(dirname(directory), owner);
  for (let above = realpathSync(directory); ; above = dirname(above)) {
    if (!permits(above, owner, 0o1)) return false;
    if (above === dirname(above)) return true;
  }
}

/** Whether the path's mode grants the owner all of `bits` (4 read, 2 write, 1 enter or execute). */
export function permits(path: string, owner: Owner, bits: number): boolean {
  const { uid, gid, mode } = statSync(path);
  const shift = uid === owner.uid ? 6 : gid === owner.gid ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

function ownerFor(directory: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const cluster = statSync(join(directory, 'cluster'), { throwIfNoEntry: false });
  if (cluster !== undefined && cluster.uid !== 0) return { uid: cluster.uid, gid: cluster.gid };
  const owner = accountOf('postgres') ?? accountOf('nobody');
  if (owner !== undefined) return owner;
  throw new Error(
    'PostgreSQL refuses to run as root, and /etc/passwd knows neither a user `postgres` nor `nobody` to run it as: ' +
      'run this as an ordinary user, or set DATABASE_URL to a database that already runs',
  );
}

function accountOf(name: string): Owner | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** Like `mkdir -p`, but whatever the umask is, others may pass through. */
function makeOpen(directory: string): void {
  if (existsSync(directory)) return;
  makeOpen(dirname(directory));
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o755);
}
