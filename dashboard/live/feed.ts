import { print } from './print.ts';
import { refusedBy } from './refusal.ts';
import { JobFeedDocument, type JobFeedSubscription, type JobFilter } from '../generated/graphql.ts';
import type { Connection } from './connection.ts';
import type { FeedEvent } from './job-rows.ts';

/**
 * Follows what happens to jobs after a cursor, every event once. The cursor goes on with what was told, so that a subscription that
 * the socket makes again after it was lost begins where it was, and misses nothing.
 * @param on.gap events were removed before they could be told: whoever follows should look at everything anew
 * @param on.refused the server did not let it be followed, for the reason given; it is over.
 * @returns what ends it
 */
export function followFeed(
  { socket }: Connection,
  from: { cursor: string; filter: JobFilter },
  on: { event(event: FeedEvent): void; gap(): void; refused(why: string): void },
): () => void {
  let cursor = from.cursor;
  return socket.subscribe<JobFeedSubscription>(
    {
      query: print(JobFeedDocument),
      // Read whenever the subscription is sent, which graphql-ws does again after each reconnection.
      variables: {
        filter: from.filter,
        get after() {
          return cursor;
        },
      },
    },
    {
      next({ data }) {
        const told = data?.jobEvents;
        if (told === undefined) return;
        if ('oldestCursor' in told) {
          cursor = told.oldestCursor;
          on.gap();
        } else {
          cursor = told.cursor;
          on.event(told);
        }
      },
      // A lost connection says so itself, to the whole page.
      error: (fault) => {
        const why = refusedBy(fault);
        if (why !== undefined) on.refused(why);
      },
      complete: () => undefined,
    },
  );
}
