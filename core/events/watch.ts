import type { Job } from '../../db/entities/job.ts';
import { latest, readerOf, type Latest } from '../../lib/latest.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { findJob } from '../jobs/find.ts';
import type { Feed } from './feed.ts';

/** Tells who watches a job that it has changed. */
export interface JobWatchers {
  /**
   * The job as it is, then as it is after every change, coalesced to the latest: a slow reader skips states, never the last.
   * @throws NotFoundError at the first step
   */
  watch(viewer: Viewer, id: string): AsyncGenerator<Job, void, undefined>;
}

export function createJobWatchers(core: Core, feed: Feed): JobWatchers {
  const byJob = new Map<string, Set<() => void>>();
  feed.listen((event) => byJob.get(event.jobId)?.forEach((wake) => wake()));

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
      yield await findJob(core, viewer, id);
      while (!(await changes.next()).done) yield await findJob(core, viewer, id);
    } finally {
      unsubscribe();
    }
  }

  return {
    watch(viewer, id) {
      const changes = latest<true>();
      return readerOf(changes, states(changes, viewer, id));
    },
  };
}
