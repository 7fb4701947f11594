import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { type Guard, isOrHolds } from './guard.ts';
import type { Logger } from './logger.ts';
import { asideMarkOf, asideOwnerOf, asidesOf, markAs, markAsBroken, ownerOf, unmark } from './marks.ts';
import { removeTree } from './remove.ts';
import type { Asking } from './silence.ts';

export interface PurgeParts {
  /** Absolute paths of directories whose contents are a job's. */
  roots: readonly string[];
  guard: Guard;
  jobId: string;
  /** Where files of attempts lie that are still uploaded by this agent. Nothing below these is removed. */
  asides: ReadonlySet<string>;
  log: Logger;
}

/** Keeps the data of one job from the next. Never throws: what could not be removed is told. */
export interface Purger {
  /** Removes what an agent that died left of another job, and marks the directories as this job's. Ends early with the signal of `asking`. */
  takeOver(asking: Asking): Promise<void>;
  /**
   * Removes the contents of the directories, not the directories. Links are removed, what they point to stays. A path
   * that is or holds something the machine needs is left alone, with a warning. Ends between two files once the signal of `asking` is
   * aborted: from its beginning the directories are marked so that the next agent empties them, whichever job it has.
   */
  purge(asking: Asking): Promise<void>;
}

export function createPurger({ roots, guard, jobId, asides, log }: PurgeParts): Purger {
  const guarded = async (
    { signal, ask }: Asking,
    handle: (root: string, reason: string | undefined) => Promise<void>,
  ): Promise<void> => {
    for (const root of new Set(roots)) {
      if (signal.aborted) return;
      try {
        ask(root);
        const reason = await guard.reasonToKeep(root);
        if (reason !== 'missing') await handle(root, reason);
      } catch (error) {
        log.warn({ path: root, reason: messageOf(error) }, 'a local path could not be purged');
      }
    }
  };
  return {
    async takeOver(asking) {
      await guard.remember();
      await guarded(asking, async (root, reason) => {
        if (reason !== undefined) return;
        await removeLeftAside(guard.realOf(root), { asides, asking, log });
        const owner = await ownerOf(root);
        if (owner !== undefined && owner !== jobId) {
          log.warn({ path: root, owner }, 'an agent that died left data of another job here; it is removed');
          // Should this end half-way: that job may come back here.
          await tryToMarkAsBroken(root, log);
          await removeContents(guard.realOf(root), { asides, asking, log });
          await unmark(root);
        }
        if (owner !== jobId) await tryToMark(root, jobId, log);
      });
    },
    async purge(asking) {
      // All of them first: nobody may go on from half of a job's data.
      await guarded(asking, async (root, reason) => {
        if (reason === undefined) await tryToMarkAsBroken(root, log);
      });
      await guarded(asking, async (root, reason) => {
        if (reason === undefined) await removeContents(guard.realOf(root), { asides, asking, log });
        else log.warn({ path: root, reason }, 'this local path is synced, but never purged');
        await unmark(root);
      });
    },
  };
}

async function tryToMark(root: string, jobId: string, log: Logger): Promise<void> {
  await markAs(root, jobId).catch((error: unknown) => {
    log.debug(
      { path: root, reason: messageOf(error) },
      'should this agent die, its data here is not told from other data',
    );
  });
}

/** On a disk that is full it may not be possible, and to purge is worth more. */
async function tryToMarkAsBroken(root: string, log: Logger): Promise<void> {
  await markAsBroken(root).catch((error: unknown) => {
    log.debug({ path: root, reason: messageOf(error) }, 'should this agent die now, its data here is taken for whole');
  });
}

interface Removal {
  asides: ReadonlySet<string>;
  asking: Asking;
  log: Logger;
}

/** What an attempt had moved aside whose agent died before all of it was uploaded. */
async function removeLeftAside(root: string, { asides, asking, log }: Removal): Promise<void> {
  const { beside, inside } = asidesOf(root);
  for (const path of [beside, inside].filter((one) => !asides.has(one))) {
    asking.ask(path);
    const owner = await asideOwnerOf(path);
    if (owner === undefined) continue;
    log.warn({ path, owner }, 'an agent that died left files here that it had not yet uploaded; they are removed');
    await removeTree(path, asking, asideMarkOf(path));
  }
}

/** Rejects with the reason of the signal where not all could be gone through. */
async function removeContents(root: string, removal: Removal): Promise<void> {
  const { asides, asking, log } = removal;
  asking.ask(root);
  for (const name of await readdir(root)) {
    const path = join(root, name);
    asking.ask(path);
    if (asides.has(path)) continue;
    const holdsAside = [...asides].some((aside) => isOrHolds(path, aside));
    const removed = holdsAside ? removeContents(path, removal) : removeTree(path, asking);
    await removed.catch((error: unknown) => {
      asking.signal.throwIfAborted();
      log.warn({ path, reason: messageOf(error) }, 'a file of the ended job could not be removed');
    });
  }
}
