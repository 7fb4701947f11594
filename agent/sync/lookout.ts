import type { Aside } from './aside.ts';
import type { Disks } from './disks.ts';
import type { SyncEntry } from './entry.ts';
import type { Fault } from './faults.ts';
import type { Ledger } from './ledger.ts';
import type { Logger } from './logger.ts';
import type { UploadObserver } from './observation.ts';
import { type DeletionQueue, type MirrorPlan, planMirror, queueDeletions, releaseDeletions } from './plan.ts';
import type { RetryPolicy } from './retry.ts';
import type { Look } from './settle.ts';
import { survey, type Survey } from './survey.ts';

/** What the directories hold against what the bucket has, and which deletions wait for what. */
export interface Lookout {
  look(): Promise<Sight>;
  /** Looks again, in a bounded number of times, while something that moves keeps a look from being complete. */
  lookWell(): Promise<Sight>;
  /** What is to be deleted, now that these objects have arrived in the bucket. */
  release(arrived: ReadonlySet<string>): string[];
  /** Whether any deletion waits for anything. */
  hasDeletions(): boolean;
  /** Whether a deletion waits for nothing but a second look. */
  hasUnsure(): boolean;
}

export interface Sight {
  found: Survey;
  plan: MirrorPlan;
  look: Look;
}

/** So often is looked again while files move. */
export const LOOKS = 3;

export interface LookoutParts {
  entries: readonly SyncEntry[];
  ledger: Ledger;
  aside: Pick<Aside, 'now' | 'steady' | 'asking'>;
  disks: Pick<Disks, 'looked'>;
  policy: RetryPolicy;
  observer: Pick<UploadObserver, 'looked' | 'collided'>;
}

export function createLookout({ entries, ledger, aside, disks, policy, observer }: LookoutParts): Lookout {
  const told = new Set<string>();
  let queue: DeletionQueue = new Map();

  const look = async () => {
    const began = performance.now();
    const found = await aside.steady(() => disks.looked(survey(entries, ledger, aside)));
    tellOnce(found.problems, told, policy.log);
    for (const collision of found.collisions) observer.collided(collision);
    const plan = planMirror(found.known, found.seen, found.complete);
    observer.looked(plan.uploads.map(({ id }) => id));
    queue = queueDeletions(queue, plan, found.seen);
    return { found, plan, look: { began, ended: performance.now() } };
  };
  return {
    look,
    async lookWell() {
      let sight = await look();
      for (let looks = 1; looks < LOOKS && !sight.found.complete; looks++) sight = await look();
      return sight;
    },
    release(arrived) {
      const released = releaseDeletions(queue, arrived);
      queue = released.queue;
      return released.due;
    },
    hasDeletions: () => queue.size > 0,
    hasUnsure: () => [...queue.values()].some(({ waits, isSure }) => !isSure && waits.size === 0),
  };
}

function tellOnce(problems: readonly Fault[], told: Set<string>, log: Logger): void {
  for (const { reason: problem } of problems) {
    if (!told.has(problem)) log.warn({ problem }, 'part of a synced directory cannot be read');
    told.add(problem);
  }
}
