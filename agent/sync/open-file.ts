import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pause } from '../../lib/pause.ts';
import { type Observed, observedOf } from './scan.ts';

/** A file that whoever has it must close, as it was when it was opened. */
export interface OpenFile {
  handle: FileHandle;
  state: Observed;
}

/**
 * Undefined where there is no such file. NOFOLLOW and NONBLOCK: a link or a pipe that took the file's place since the scan is not what
 * was to be published.
 */
export async function openFile(source: string): Promise<OpenFile | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(source, flags).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO') return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const stats = await handle.stat({ bigint: true });
    if (stats.isFile()) return { handle, state: observedOf(stats) };
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

/** As openFile, but the state is one that any later write changes: of a file that was written just now it is read a moment later. */
export async function openSettled(source: string, signal: AbortSignal): Promise<OpenFile | undefined> {
  const opened = await openFile(source);
  const waitMs = opened === undefined ? 0 : tickLeft(opened.state);
  if (opened === undefined || waitMs === 0) return opened;
  const { handle } = opened;
  try {
    await pause(waitMs, signal);
    return { handle, state: await stateOf(handle) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What the open file is now, by whichever name it goes. */
export async function stateOf(handle: FileHandle): Promise<Observed> {
  return observedOf(await handle.stat({ bigint: true }));
}

/** The kernel stamps files with a clock that moves in steps of up to this many milliseconds. */
export const CLOCK_TICK_MS = 10;

/**
 * Two writes within one step of that clock leave the same mtime, so a file that fresh is looked at a moment later: after so
 * many milliseconds.
 */
function tickLeft({ mtimeNs }: Observed): number {
  const age = Date.now() - Number(mtimeNs / 1_000_000n);
  return age >= 0 && age < CLOCK_TICK_MS ? CLOCK_TICK_MS - age : 0;
}
