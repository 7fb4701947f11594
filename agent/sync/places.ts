import { mkdir, realpath } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import { type Aside, createAside } from './aside.ts';
import { SyncError } from './errors.ts';
import { createGuard } from './guard.ts';
import type { Ledger } from './ledger.ts';
import type { Logger } from './logger.ts';
import { createPurger } from './purge.ts';
import type { ObjectStore } from './s3.ts';

/** The directories of an attempt, from its beginning to its end. */
export interface Places {
  /** Makes them, and takes them from whoever died here. Rejects with SyncError, also when the store has no credentials. */
  prepare(signal: AbortSignal): Promise<void>;
  aside: Aside;
  /** Removes the attempt's files from where they are, until `signal` is aborted. Never rejects. */
  purge(signal: AbortSignal): Promise<void>;
}

export interface PlacesParts {
  store: Pick<ObjectStore, 'ready'>;
  /** Absolute paths, each once. */
  roots: readonly string[];
  /** Paths besides those of the agent itself and of the system that must stay. */
  keep: readonly string[];
  jobId: string;
  /** Where files lie that were moved aside, of all attempts of this agent. */
  asides: Set<string>;
  ledger: Ledger;
  log: Logger;
}

export function createPlaces({ store, keep, ...parts }: PlacesParts): Places {
  const guard = createGuard(parts.roots, keep);
  const purger = createPurger({ ...parts, guard });
  const aside = createAside({ ...parts, guard });
  return {
    aside,
    async prepare(signal) {
      if (parts.roots.length > 0) await makeReady(store, parts.roots);
      await purger.takeOver(signal);
    },
    async purge(signal) {
      // Once they have made way, the local paths are the next job's.
      if (!(await aside.remove(signal))) await purger.purge(signal);
    },
  };
}

async function makeReady(store: Pick<ObjectStore, 'ready'>, roots: readonly string[]): Promise<void> {
  await store.ready().catch((error: unknown) => {
    throw new SyncError(messageOf(error), { cause: error });
  });
  for (const root of roots) await makeRoot(root);
}

async function makeRoot(root: string): Promise<void> {
  try {
    await mkdir(root, { recursive: true });
    await realpath(root);
  } catch (error) {
    throw new SyncError(`the local path ${root} could not be made: ${messageOf(error)}`, { cause: error });
  }
}
