import type { Job } from '../../db/entities/job.ts';
import type { JobEvent } from '../../db/entities/job-event.ts';
import { readerOf } from '../../lib/latest.ts';
import { isAborted } from '../../lib/pause.ts';
import type { KeyWatch } from '../accounts/key-watch.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { NotFoundError } from '../errors.ts';
import { listJobEvents } from '../jobs/find.ts';
import { NEXT_EVENTS, type NextEvents } from './next-events.ts';
import type { JobWatchers } from './watch.ts';

const PAGE = 500;

/** What follows a job's events needs besides the core. */
export interface JobFeedParts {
  watchers: JobWatchers;
  nextEvents: NextEvents;
  keyWatch: KeyWatch;
}

/**
 * A job's events after a `seq`, then those that follow, as soon as they are committed: each once, in order, without a gap, because
 * they are written under the job's row and read in one snapshot. It goes on when the job has ended, because a retry may follow, and
 * ends when the job is removed or the viewer's key is no longer good. A slow reader costs one page. All who are told of a change as it
 * happens share one look for it.
 * @throws NotFoundError at the first step, when the account has no such job
 */
export function followJobEvents(
  core: Core,
  { watchers, nextEvents, keyWatch }: JobFeedParts,
  viewer: Viewer,
  wish: { id: string; afterSeq: number },
): AsyncGenerator<JobEvent, void, undefined> {
  const states = watchers.watch(viewer, wish.id);
  // What ends the reading of states ends the reading of events.
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
    void states.return();
  };

  async function* steps(): AsyncGenerator<JobEvent, void, undefined> {
    const unwatch = keyWatch.follow(viewer, end);
    let job: Job | undefined;
    let seq = wish.afterSeq;
    try {
      for await (job of states) {
        while (seq < job.eventSeq && !isAborted(ending.signal)) {
          const isNear = job.eventSeq - seq <= NEXT_EVENTS;
          const events = await (isNear
            ? nextEvents.after({ jobId: job.id, afterSeq: seq })
            : pageAfter(core, job, seq));
          for (const event of events) if (!isAborted(ending.signal)) yield event;
          seq = events.at(-1)?.seq ?? job.eventSeq;
        }
      }
    } catch (error) {
      // Removed while it was followed: what was told of it last remains to be told.
      if (!(error instanceof NotFoundError) || job === undefined) throw error;
      for (let isMore = true; isMore && !isAborted(ending.signal);) {
        const events = await pageAfter(core, job, seq);
        for (const event of events) if (!isAborted(ending.signal)) yield event;
        seq = events.at(-1)?.seq ?? seq;
        isMore = events.length === PAGE;
      }
    } finally {
      unwatch();
    }
  }
  return readerOf({ end }, steps());
}

async function pageAfter(core: Core, job: Job, seq: number): Promise<JobEvent[]> {
  return listJobEvents(core, job, { limit: PAGE, descending: false, after: seq });
}
