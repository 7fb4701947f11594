import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../../db/embedded/users.ts';

/** Ends and removes what suites that were killed have left: a PostgreSQL outlives its parent. Others that run are left alone. */
export async function removeLeftovers(parent: string, prefix: string): Promise<void> {
  const abandoned = readdirSync(parent)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(parent, name))
    .filter((directory) => !isInUse(directory));
  for (const directory of abandoned) {
    endServer(join(directory, 'postgres'));
    await rm(directory, { recursive: true, force: true });
  }
}

/** A directory that is being made has no tickets yet: it counts as used. */
function isInUse(directory: string): boolean {
  const tickets = join(directory, 'postgres', 'users');
  return !existsSync(tickets) || readdirSync(tickets).some(isAlive);
}

function endServer(dataDirectory: string): void {
  try {
    const pid = Number(readFileSync(join(dataDirectory, 'cluster/data/postmaster.pid'), 'utf8').split('\n')[0]);
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (commandLine.includes(dataDirectory)) process.kill(pid, 'SIGKILL');
  } catch {
    // It has no server any more.
  }
}
