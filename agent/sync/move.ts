import type { Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { SyncError } from './errors.ts';
import { markAs, markAsAside, markAsBroken, unmark, unmarkAsAside } from './marks.ts';
import type { Asking } from './silence.ts';

/** The contents of a directory, moved to another one on its device. */
export interface Moved {
  from: string;
  to: string;
  /** Whether each entry was renamed, which its ctime shows. */
  isPiecemeal: boolean;
  /** Whether there was no such directory: then there is none now either. */
  isMissing: boolean;
  /** Moves everything back. Rejects with NotRestored. */
  undo: () => Promise<void>;
}

/** Part of a directory's contents is in another place, and could not be moved back. */
export class NotRestored extends SyncError {
  override name = 'NotRestored';
}

/**
 * Renames the directory, in one step, and makes an empty one like it in its place. One that is missing stays missing.
 * Rejects, with everything as it was, where that is not possible, and with NotRestored where not even that is.
 */
export async function moveWhole(from: string, to: string, jobId: string): Promise<Moved> {
  await demandFree(to);
  const before = await lstat(from).catch(() => undefined);
  if (before === undefined) return { from, to, isPiecemeal: false, isMissing: true, undo: async () => undefined };
  const undo = restoring(from, async () => {
    await rmdir(from).catch(ignoreMissing);
    await rename(to, from);
    await unmarkAsAside(from);
  });
  await markAsAside(from, jobId);
  try {
    await rename(from, to);
  } catch (error) {
    await unmarkAsAside(from);
    throw error;
  }
  try {
    await makeLike(before, from);
  } catch (error) {
    await undo();
    throw error;
  }
  return { from, to, isPiecemeal: false, isMissing: false, undo };
}

/**
 * Renames each entry of the directory into a new one, which may be inside of it. Rejects like `moveWhole`, and also, with everything as it was,
 * when the signal of `asking` is aborted.
 */
export async function moveContents(from: string, to: string, jobId: string, asking: Asking): Promise<Moved> {
  await demandFree(to);
  await mkdir(to);
  const moved: string[] = [];
  let wasMarked = false;
  const undo = restoring(from, async () => {
    for (const name of moved.splice(0)) {
      asking.askEvenSo(join(to, name));
      await rename(join(to, name), join(from, name));
    }
    await unmarkAsAside(to);
    await rmdir(to);
    if (!wasMarked) return;
    await unmark(from);
    await markAs(from, jobId);
  });
  try {
    await markAsAside(to, jobId);
    // Should this process die half-way: nobody may go on from half of a job's data.
    wasMarked = await markAsBroken(from);
    for (const name of await readdir(from)) {
      if (join(from, name) === to) continue;
      asking.ask(join(from, name));
      await rename(join(from, name), join(to, name));
      moved.push(name);
    }
  } catch (error) {
    await undo();
    throw error;
  }
  return { from, to, isPiecemeal: true, isMissing: false, undo };
}

async function demandFree(path: string): Promise<void> {
  const isTaken = await lstat(path).then(
    () => true,
    () => false,
  );
  if (isTaken) throw new Error(`${path} is there already`);
}

async function makeLike({ mode, uid, gid }: Stats, path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, mode);
  const made = await lstat(path);
  if (made.uid !== uid || made.gid !== gid) await chown(path, uid, gid);
}

function restoring(from: string, undo: () => Promise<void>): () => Promise<void> {
  return async () => {
    try {
      await undo();
    } catch (error) {
      throw new NotRestored(`${from} could be moved neither aside nor back: ${messageOf(error)}`, { cause: error });
    }
  };
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
