import DataLoader from 'dataloader';
import type { Job } from '../../db/entities/job.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import { createPace } from '../../lib/pace.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { asAllWhoAsk } from '../fair-share.ts';
import { findJob, missingJob, readJobs } from '../jobs/find.ts';
import type { Feed } from './feed.ts';

/** Watchers that one statement reads for. */
const MAX_READ = 1_000;
/**
 * Telling one watcher takes the processors about 0.15 ms, which is a sixth of a claim, and nobody may slow claims by looking on.
 * So where many are told, they are told in bundles, and claims go first: one change among few is told at once, where everything changes
 * each is told a quarter of a second late at most.
 */
const REST = { perItemMs: 10, atMostMs: 250 };

/** Tells who watches a job that it has changed. */
export interface JobWatchers {
  /**
   * The job as it is, then as it is after every change, coalesced to the latest: a slow reader skips states, never the last.
   * @throws NotFoundError at the first step
   */
  watch(viewer: Viewer, id: string): AsyncGenerator<Job, void, undefined>;
  /** The jobs that somebody watches. */
  watched(): string[];
}

export function createJobWatchers(core: Core, feed: Feed, onError: (error: Error) => void): JobWatchers {
  const byJob = new Map<string, Set<() => void>>();
  // All who are woken by the same events read together, however many: one statement for the jobs that changed, not one each. Nothing
  // is kept: who is woken later reads anew.
  const reads = new DataLoader<string, Job | undefined>(
    async (ids) => {
      const jobs = await asAllWhoAsk(() => readJobs(core, ids));
      return ids.map((id) => jobs.get(id));
    },
    { cache: false, maxBatchSize: MAX_READ },
  );
  const changed = new Set<string>();
  const work = (): number => {
    const wakes = [...changed].flatMap((id) => [...(byJob.get(id) ?? [])]);
    changed.clear();
    for (const wake of wakes) wake();
    return wakes.length;
  };
  const waking = createPace({ ...REST, work, onError });
  feed.listen(({ jobId }) => {
    if (!byJob.has(jobId)) return;
    changed.add(jobId);
    waking.ask();
  });

  const subscribe = (id: string, wake: () => void): (() => void) => {
    const watchers = byJob.get(id) ?? new Set();
    byJob.set(id, watchers.add(wake));
    return () => {
      watchers.delete(wake);
      if (watchers.size === 0) byJob.delete(id);
    };
  };

  async function* states(changes: Latest<true>, viewer: Viewer, id: string): AsyncGenerator<Job, void, undefined> {
    const unsubscribe = subscribe(id.toLowerCase(), () => changes.push(true));
    try {
      // The first look decides whether there is such a job for this viewer; a job never changes its account.
      const found = await findJob(core, viewer, id);
      yield found;
      while (!(await changes.next()).done) yield (await reads.load(found.id)) ?? missingJob(id);
    } finally {
      unsubscribe();
    }
  }

  return {
    watch(viewer, id) {
      const changes = latest<true>();
      return readerOf(changes, states(changes, viewer, id));
    },
    watched: () => [...byJob.keys()],
  };
}
