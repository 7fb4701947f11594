import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pause } from '../../lib/pause.ts';
import { type Observed, observedOf } from './scan.ts';

/** A file that whoever has it must close, as it was when it was opened. */
export interface OpenFile {
  handle: Handle;
  state: Observed;
}

/** Asks the disk about one open file. */
export interface Handle {
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  stat(): Promise<Observed>;
  close(): Promise<void>;
}

/** Waits for the answer of a disk to one question. */
export type Answered = <T>(question: Promise<T>) => Promise<T>;

/**
 * Undefined where there is no such file. NOFOLLOW and NONBLOCK: a link or a pipe that took the file's place since the scan is not what
 * was to be published.
 */
export async function openFile(source: string, answered: Answered): Promise<OpenFile | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await answered(open(source, flags)).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  const handle = handleOf(file, answered);
  try {
    const stats = await answered(file.stat({ bigint: true }));
    if (stats.isFile()) return { handle, state: observedOf(stats) };
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

function handleOf(file: FileHandle, answered: Answered): Handle {
  return {
    read: (into, offset, length, position) => answered(file.read(into, offset, length, position)),
    stat: async () => observedOf(await answered(file.stat({ bigint: true }))),
    close: () => answered(file.close()),
  };
}

/** As openFile, but the state is one that any later write changes: of a file that was written just now it is read a moment later. */
export async function openSettled(
  source: string,
  answered: Answered,
  signal: AbortSignal,
): Promise<OpenFile | undefined> {
  const opened = await openFile(source, answered);
  const waitMs = opened === undefined ? 0 : tickLeft(opened.state);
  if (opened === undefined || waitMs === 0) return opened;
  const { handle } = opened;
  try {
    await pause(waitMs, signal);
    return { handle, state: await handle.stat() };
  } catch (error) {
    await handle.close();
    throw error;
  }
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
