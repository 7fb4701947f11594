import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One holder of a server, among those that share it. */
export interface Usage {
  /** Whether any other living holder is signed in. Those that died without leaving don't count. */
  shared(): boolean;
  leave(): void;
}

/**
 * Signs this process in as a holder of the server in `dataDirectory`. Sign in before looking for a server, leave before
 * judging whether to stop it: then of two who come and go at once, at least one sees the other.
 */
export function enter(dataDirectory: string): Usage {
  const folder = join(dataDirectory, 'users');
  mkdirSync(folder, { recursive: true });
  const ticket = newTicket();
  writeFileSync(join(folder, ticket), '');
  for (const other of readdirSync(folder)) {
    if (!isAlive(other)) rmSync(join(folder, other), { force: true });
  }
  return {
    shared: () => readdirSync(folder).some((other) => other !== ticket && isAlive(other)),
    leave: () => rmSync(join(folder, ticket), { force: true }),
  };
}

let issued = 0;

/** A file name that tells whether the process that chose it still lives: its id, when it started, and a number. */
export function newTicket(): string {
  issued += 1;
  return `${process.pid}-${startTime(process.pid)}-${issued}`;
}

export function isAlive(ticket: string): boolean {
  const [pid = '', started = ''] = ticket.split('-');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // EPERM: it lives, as another user.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  return startTime(Number(pid)) === started;
}

/** In clock ticks since boot, so a recycled process id is not mistaken; '' where it is not known, or there is no /proc. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is a name in parentheses which may hold spaces; the third is the state, the 22nd the start.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A process that is dead, but that its parent has not looked after, still has its id.
    return fields[0] === 'Z' ? 'dead' : (fields[19] ?? '');
  } catch {
    return '';
  }
}
