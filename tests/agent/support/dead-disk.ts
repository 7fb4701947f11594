import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Makes a directory of this name where it is started, and mounts there, where nobody else sees it, a file system of which nobody ever answers
 * anything; then does what the other words say. The mount goes with the shell that holds it, whom a signal for its program must not end.
 */
const SCRIPT = `
  exec 3<>/dev/fuse
  mkdir -p "$1"
  mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none "$PWD/$1" || exit 99
  shift
  trap '' TERM
  "$@" 3<&-`;

/**
 * The beginning of a shell's words, to be followed by a directory and a script: until that script has ended nobody ever answers anything of
 * what is in the directory. It runs in a session of its own, out of which the end of the command does not kill it.
 */
export const DEADEN = `deaden() {
    exec 3<>/dev/fuse
    mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none "$1" || exit 99
    { setsid sh -c "echo held; exec >/dev/null 2>&1; $2" & } | read -r held
  }
  deaden`;

/** What a program is started by to have a disk that does not answer as the directory `name` of where it is started. */
export function besideDeadDisk(name: string): readonly string[] {
  return ['unshare', '--mount', 'sh', '-c', SCRIPT, 'sh', name];
}

/** What is said as soon as a disk has died. */
export const DIED = 'this disk has died';

/** What a program is started by whose directory `name` answers until the script `dies` has ended, and then no more before `over` has. */
export function besideDiskThatDies(name: string, dies: string, over: string): readonly string[] {
  const script = `(${dies}; ${DEADEN} ${name} '${over}'; echo ${DIED} >&2) & exec "$@"`;
  return ['unshare', '--mount', 'sh', '-c', script, 'sh'];
}

/** Whether this machine can do that: only root can, where there is FUSE. */
export function canHaveDeadDisk(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'kelpie-dead-disk-'));
  const [file = '', ...words] = besideDeadDisk('probe');
  const { status } = spawnSync(file, [...words, 'true'], { cwd: folder });
  rmSync(folder, { recursive: true });
  return status === 0;
}
