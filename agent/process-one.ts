import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { INIT_PROGRAMS } from './init/programs.ts';

/** What process 1 of a container owes it: to take leave of every process whose parent is gone. Node cannot wait for those. */
export const PROCESS_ONE_ADVICE =
  'processes that lose their parent stay as zombies here: start the container with an init (--init), or give the agent a directory in which programs may run';

/**
 * Where this process is the first of its container, it becomes a small init that starts this program anew, and does not return. Returns
 * what to tell a person where that is not possible; nothing where it is not needed.
 */
export function leaveProcessOne(): string | undefined {
  if (process.pid !== 1) return undefined;
  const init = INIT_PROGRAMS[process.arch];
  const place = init === undefined ? undefined : placeFor(Buffer.from(init, 'base64'));
  if (place === undefined || process.execve === undefined) return PROCESS_ONE_ADVICE;
  process.execve(place, [place, place, ...ownCommandLine()]);
  return undefined;
}

/** By which this program was started. An executable knows only itself; there, Node repeats its path. */
function ownCommandLine(): string[] {
  const words = process.argv.slice(2);
  if (isSea()) return [process.execPath, ...words];
  return [process.execPath, ...process.execArgv, process.argv[1] ?? '', ...words];
}

/** Asked for one by one: a working directory may be gone, and a user without an entry in passwd has no home. */
const FOLDERS: readonly (() => string)[] = [
  tmpdir,
  () => process.cwd(),
  () => dirname(process.execPath),
  ...['/dev/shm', '/run', '/var/tmp'].map((folder) => () => folder),
  homedir,
];

/**
 * Puts the program where it can run: a root may be read-only, and a file system may forbid programs. It removes its file as soon as it
 * runs. To try it first is not idle: Node does not survive a program that cannot take its place.
 */
function placeFor(program: Uint8Array): string | undefined {
  for (const folder of FOLDERS) {
    let path: string;
    try {
      path = join(folder(), `.kelpie-init-${randomUUID()}`);
      writeFileSync(path, program, { mode: 0o700, flag: 'wx' });
    } catch {
      continue;
    }
    if (spawnSync(path, { stdio: 'ignore' }).status === 0) return path;
    rmSync(path, { force: true });
  }
  return undefined;
}
