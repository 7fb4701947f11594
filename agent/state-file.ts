import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { atMost } from '../lib/pause.ts';
import type { AgentState } from './occupation.ts';

/** Where other processes of the container, such as probes, may read what this agent does: `{jobId, attempt, phase, since}`. */
export interface StateFile {
  /** Absent where no place could be found for it. */
  readonly path: string | undefined;
  /** Never waits: of several states that are not written yet, the last one is written. */
  readonly tell: (state: AgentState) => void;
  /** Writes nothing after this. Waits no longer than some seconds for a disk that does not answer. */
  remove(): Promise<void>;
}

/** A disk that does not answer must keep neither the agent from its work, nor its end from coming. */
const [MADE_WITHIN_MS, REMOVED_WITHIN_MS] = [3_000, 2_000];

/**
 * Makes the place, and with the first state the file; a reader sees one state or the next, never a part.
 * @param configured an absolute path; undefined: in a folder of this agent's own among the temporary ones
 */
export async function createStateFile(configured: string | undefined, log: Logger): Promise<StateFile> {
  const place = await placeInTime(configured).catch((error: unknown) => {
    log.warn(
      { reason: messageOf(error) },
      'There is no place for a state file, so nobody is told what this agent does',
    );
    return undefined;
  });
  if (place === undefined) return { path: undefined, tell: () => undefined, remove: async () => undefined };
  const writer = writeLatest(place, log);
  return {
    path: place.path,
    tell: writer.tell,
    async remove() {
      const removed = writer.end().then(() => removeFrom(place));
      await atMost(REMOVED_WITHIN_MS, removed).catch((error: unknown) => {
        log.debug({ reason: messageOf(error) }, 'The state file could not be removed');
      });
    },
  };
}

interface Place {
  path: string;
  /** Made for it, so that two agents share nothing unless they were given the same path. */
  folder?: string;
}

async function placeInTime(configured: string | undefined): Promise<Place> {
  let place: Place | undefined;
  await atMost(
    MADE_WITHIN_MS,
    placeFor(configured).then((made) => (place = made)),
  );
  if (place !== undefined) return place;
  throw new Error(`${configured ?? tmpdir()} did not answer within ${MADE_WITHIN_MS} ms: expected a disk that does`);
}

async function placeFor(configured: string | undefined): Promise<Place> {
  if (configured !== undefined) {
    await mkdir(dirname(configured), { recursive: true });
    return { path: configured };
  }
  const folder = await mkdtemp(join(tmpdir(), `kelpie-${process.pid}-`));
  return { path: join(folder, 'state.json'), folder };
}

function writeLatest(place: Place, log: Logger) {
  let next: AgentState | undefined;
  let writing: Promise<void> | undefined;
  let hasEnded = false;
  let isBroken = false;

  async function writeAll(): Promise<void> {
    while (next !== undefined) {
      const state = next;
      next = undefined;
      try {
        await publish(place, `${JSON.stringify(state)}\n`);
        isBroken = false;
      } catch (error) {
        const detail = { reason: messageOf(error), path: place.path };
        log[isBroken ? 'debug' : 'warn'](detail, 'The state file could not be written');
        isBroken = true;
      }
    }
    writing = undefined;
  }

  return {
    tell: (state: AgentState): void => {
      if (hasEnded) return;
      next = state;
      writing ??= writeAll();
    },
    async end(): Promise<void> {
      hasEnded = true;
      await writing;
    },
  };
}

async function publish({ path, folder }: Place, text: string): Promise<void> {
  // A job may have emptied the temporary folder.
  await mkdir(dirname(path), { recursive: true, mode: folder === undefined ? 0o777 : 0o700 });
  const beside = `${path}.${process.pid}.new`;
  // What an agent that was killed has left; in a container all of them may have the same number.
  await rm(beside, { force: true });
  try {
    await writeFile(beside, text, { flag: 'wx' });
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

/** A configured path may be a folder by mistake: that is not ours to empty. */
async function removeFrom({ path, folder }: Place): Promise<void> {
  await rm(path, { force: true });
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}
