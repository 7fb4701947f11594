import { constants } from 'node:fs';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { atMost } from '../lib/pause.ts';
import { storable } from '../lib/storable.ts';

const REREAD_MS = 1000;
/** A disk that does not answer must keep no job from its start, nor from its end. */
const [MADE_WITHIN_MS, FINISHED_WITHIN_MS, REMOVED_WITHIN_MS] = [3_000, 2_000, 2_000];
/** Progress is a glance, not a channel for data; the server takes no more either. */
const LARGEST_FILE_BYTES = 64 * 1024;
const LONGEST_MESSAGE = 1000;
const LONGEST_METRICS = 10_000;

const progress = z.object({
  fraction: z.number().min(0).max(1).nullish(),
  message: z
    .string()
    .transform((text) => storable(text.slice(0, LONGEST_MESSAGE)))
    .nullish(),
  metrics: z.record(z.string().max(100), z.unknown()).refine(isStorable).nullish(),
});

export type Progress = z.infer<typeof progress>;

/** The file in which a command may say how far it is. */
export interface ProgressFile {
  /** Absent where no temporary folder could be made. */
  readonly path: string | undefined;
  /** From now on looks for a new content once a second, and tells it. */
  watch(tell: (progress: Progress) => void): void;
  /** Looks a last time, and stops looking. Waits no longer than some seconds for a disk that does not answer. */
  finish(): Promise<void>;
  /** Waits no longer than that either: then the place may be there still. */
  remove(): Promise<void>;
}

/** Makes the place for one attempt's progress file; the file itself is the command's to write. */
export async function createProgressFile(log: Logger): Promise<ProgressFile> {
  const folder = await folderInTime().catch((error: unknown) => {
    log.warn({ err: error }, 'No temporary folder could be made, so this job cannot report progress');
    return undefined;
  });
  if (folder === undefined) {
    return { path: undefined, watch: () => undefined, finish: async () => undefined, remove: async () => undefined };
  }
  const path = join(folder, 'progress.json');
  const remove = () => atMost(REMOVED_WITHIN_MS, rm(folder, { recursive: true, force: true }));
  return { path, ...follow(path, log), remove };
}

/** Whether a folder was asked for that is not made yet: each further question would hold one more of the few threads that ask disks. */
let isAwaited = false;

async function folderInTime(): Promise<string> {
  const unanswered = new Error(
    `${tmpdir()} does not answer: expected a disk that does; restart this agent, or set TMPDIR`,
  );
  if (isAwaited) throw unanswered;
  isAwaited = true;
  let folder: string | undefined;
  const made = mkdtemp(join(tmpdir(), 'kelpie-')).finally(() => (isAwaited = false));
  await atMost(
    MADE_WITHIN_MS,
    made.then((path) => (folder = path)),
  );
  if (folder !== undefined) return folder;
  void made.then(rmdir).catch(() => undefined);
  throw unanswered;
}

function follow(path: string, log: Logger): Pick<ProgressFile, 'watch' | 'finish'> {
  let tell: (progress: Progress) => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  let seen: string | undefined;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    try {
      const content = await readIfChanged(path, seen);
      if (content === undefined) return;
      seen = content.version;
      tell(progress.parse(JSON.parse(content.text)));
    } catch (error) {
      log.debug({ err: error }, 'The progress file is not readable as JSON of {fraction, message, metrics}');
    }
  }

  return {
    watch(listener) {
      tell = listener;
      // One at a time: a slow disk must not gather looks, nor let an older content be told after a newer one.
      timer = setInterval(() => void (looking ??= look().finally(() => (looking = undefined))), REREAD_MS);
    },
    async finish() {
      clearInterval(timer);
      await atMost(FINISHED_WITHIN_MS, Promise.resolve(looking).then(look));
    },
  };
}

function isStorable(metrics: Record<string, unknown>): boolean {
  const text = JSON.stringify(metrics);
  return text.length <= LONGEST_METRICS && !text.includes('\\u0000');
}

async function readIfChanged(
  path: string,
  seen: string | undefined,
): Promise<{ version: string; text: string } | undefined> {
  // A pipe without a writer would never be open, and a device never be read to its end.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW).catch(
    () => undefined,
  );
  if (file === undefined) return undefined;
  try {
    const stats = await file.stat({ bigint: true });
    const version = `${stats.ino}:${stats.size}:${stats.mtimeNs}`;
    if (version === seen || !stats.isFile()) return undefined;
    // It may grow while it is read.
    const content = Buffer.alloc(LARGEST_FILE_BYTES + 1);
    const { bytesRead } = await file.read(content, 0, content.length, 0);
    return { version, text: bytesRead <= LARGEST_FILE_BYTES ? content.toString('utf8', 0, bytesRead) : '' };
  } finally {
    await file.close();
  }
}
