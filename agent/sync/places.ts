import { mkdir, realpath } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import { type Aside, createAside } from './aside.ts';
import { SyncError } from './errors.ts';
import { createGuard } from './guard.ts';
import type { Ledger } from './ledger.ts';
import type { Logger } from './logger.ts';
import { createPurger } from './purge.ts';
import type { Asking } from './silence.ts';

/** The directories of an attempt, from its beginning to its end. */
export interface Places {
  /** Makes them, and takes them from whoever died here. Rejects with SyncError. */
  prepare(asking: Asking): Promise<void>;
  aside: Aside;
  /** Removes the attempt's files from where they are, until the signal of `asking` is aborted. Never rejects. */
  purge(asking: Asking): Promise<void>;
}

export interface PlacesParts {
  /** Absolute paths, each once. */
  roots: readonly string[];
  /** Paths besides those of the agent itself and of the system that must stay. */
  keep: readonly string[];
  jobId: string;
  /** Where files lie that were moved aside, of all attempts of this agent. */
  asides: Set<string>;
  ledger: Ledger;
  /** Until its signal is aborted the files are looked at and moved. */
  asking: Asking;
  log: Logger;
}

export function createPlaces({ keep, ...parts }: PlacesParts): Places {
  const guard = createGuard(parts.roots, keep);
  const purger = createPurger({ ...parts, guard });
  const aside = createAside({ ...parts, guard });
  return {
    aside,
    async prepare(asking) {
      for (const root of parts.roots) await makeRoot(root, asking);
      await purger.takeOver(asking);
    },
    async purge(asking) {
      // Once they have made way, the local paths are the next job's.
      if (!(await aside.remove(asking))) await purger.purge(asking);
    },
  };
}

async function makeRoot(root: string, asking: Asking): Promise<void> {
  asking.ask(root);
  try {
    await mkdir(root, { recursive: true });
    await realpath(root);
  } catch (error) {
    throw new SyncError(`the local path ${root} could not be made: ${messageOf(error)}`, { cause: error });
  }
}
