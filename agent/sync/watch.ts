import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import { messageOf } from '../../lib/errors.ts';
import type { Logger } from './logger.ts';
import type { Pass } from './mirror.ts';
import { isTemporary } from './scan.ts';

export interface WatchParts {
  roots: readonly string[];
  /** Looks at the directories, and does what is to be done. */
  pass: () => Promise<Pass>;
  /** A burst of changes is looked at after so many quiet milliseconds, */
  debounceMs: number;
  /** but not later than so many after it began, or a tenth of that where looking is quick. Also how often they are looked at without any hint. */
  maxWaitMs: number;
  /** Called with each path that is found before changes are seen. */
  onFound?: (path: string) => void;
  log: Logger;
}

export interface Watch {
  /** Resolves when changes are seen. The first pass follows at once. */
  start(): Promise<void>;
  /** What was under way is done, so another pass may do more, whatever else changes meanwhile. */
  soon(): void;
  /** No pass begins any more; resolves when the present one is over. Idempotent. */
  stop(): Promise<void>;
}

/** A pass reads every directory entry, so of large trees it may take at most this share of the time. */
const SHARE_OF_TIME = 1 / 20;
/** A burst without end is looked at after this share of the longest wait. */
const SHARE_OF_BURST = 1 / 10;

/**
 * Decides when to look. The watcher only hastens it: the kernel drops events when too many come at once, so the
 * directories are looked at regularly in any case.
 */
export function createWatch({ roots, pass, debounceMs, maxWaitMs, onFound, log }: WatchParts): Watch {
  let watcher: FSWatcher | undefined;
  let stopped = false;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let burstSince: number | undefined;
  let [hintDue, passDue, soonDue] = [Infinity, Infinity, Infinity];
  let last: Pass = { again: undefined, lookedMs: 0 };

  const arm = () => {
    clearTimeout(timer);
    if (stopped || running !== undefined) return;
    const due = Math.min(hintDue, passDue, soonDue);
    timer = setTimeout(() => void (running = run()), Math.max(0, due - performance.now()));
  };
  const hint = () => {
    const now = performance.now();
    burstSince ??= now;
    hintDue = Math.min(now + debounceMs, burstSince + longestBurst(last, maxWaitMs));
    arm();
  };
  const run = async () => {
    burstSince = undefined;
    [hintDue, soonDue] = [Infinity, Infinity];
    last = await pass().catch((error: unknown): Pass => {
      if (!stopped) log.warn({ reason: messageOf(error) }, 'looking at the synced directories failed; trying again');
      return { again: undefined, lookedMs: 0 };
    });
    passDue = performance.now() + restOf(last, maxWaitMs);
    running = undefined;
    arm();
  };

  return {
    soon() {
      soonDue = performance.now() + last.lookedMs;
      arm();
    },
    async start() {
      watcher = await watchRoots(roots, { hint, onFound, log });
      if (stopped) await watcher.close();
      passDue = 0;
      arm();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await watcher?.close();
      await running;
    },
  };
}

/**
 * Milliseconds from the first change of a burst to the look at it. From then on the age of what never rests is known: what is seen late is
 * published late.
 */
function longestBurst({ lookedMs }: Pass, maxWaitMs: number): number {
  return Math.min(maxWaitMs, Math.max(maxWaitMs * SHARE_OF_BURST, lookedMs / SHARE_OF_TIME));
}

/** Milliseconds from one pass to the next. */
function restOf({ again = Infinity, lookedMs }: Pass, maxWaitMs: number): number {
  return Math.min(Math.max(again, lookedMs), Math.max(maxWaitMs, lookedMs / SHARE_OF_TIME));
}

async function watchRoots(
  roots: readonly string[],
  { hint, onFound, log }: Pick<WatchParts, 'log'> & { hint: () => void; onFound: WatchParts['onFound'] },
): Promise<FSWatcher> {
  // Links are not followed, and a root may be one.
  const real = await Promise.all(roots.map((root) => realpath(root)));
  const watcher = watch([...new Set(real)], {
    followSymlinks: false,
    ignorePermissionErrors: true,
    ignored: (path) => isTemporary(basename(path)),
  });
  const tell = (_event: string, path: string) => onFound?.(path);
  watcher.on('all', hint).on('all', tell);
  watcher.on('error', (error) => log.warn({ reason: messageOf(error) }, 'changes may be seen later: watching failed'));
  if (real.length > 0) await new Promise<void>((resolve) => void watcher.once('ready', resolve));
  watcher.off('all', tell);
  return watcher;
}
