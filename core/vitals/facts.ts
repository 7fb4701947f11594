import { z } from 'zod';
import { attemptOutcomes, type AttemptOutcome } from '../../db/entities/attempt.ts';
import { jobEventTypes, type JobEvent, type JobEventType } from '../../db/entities/job-event.ts';
import type { Feed } from '../events/feed.ts';

/** Something that has happened in the installation, worth counting. */
export type Fact =
  | { kind: 'event'; type: JobEventType }
  | { kind: 'attemptEnded'; outcome: AttemptOutcome }
  | { kind: 'recovered'; outcome: Interruption; seconds: number };

/** Endings that are nobody's fault, after which another machine is to go on. */
const interruptions = ['LOST', 'RELEASED'] as const satisfies AttemptOutcome[];
type Interruption = (typeof interruptions)[number];

/** All that facts can be about, for whoever counts them and has to begin at 0. */
export const kindsOfFacts = { types: jobEventTypes, outcomes: attemptOutcomes, interruptions };

/** So many jobs that were interrupted, and that nobody has taken since, are remembered; of more, the oldest are forgotten. */
const MOST_REMEMBERED = 10_000;

/**
 * Tells of what happens to jobs, whichever server did it: all servers read the same feed, so each tells all of it, once. A job
 * recovers when it is claimed after an interruption; the seconds between are by the database's clock (rule 13).
 */
export function listenFacts(feed: Feed, tell: (fact: Fact) => void): void {
  const interrupted = new Map<string, { outcome: Interruption; at: Date }>();
  feed.listenSettled((event) => {
    tell({ kind: 'event', type: event.type });
    const outcome = event.type === 'ATTEMPT_ENDED' ? outcomeOf(event) : undefined;
    if (outcome !== undefined) tell({ kind: 'attemptEnded', outcome });
    const before = interrupted.get(event.jobId);
    if (before !== undefined && event.type === 'CLAIMED') {
      const seconds = Math.max(0, (event.at.getTime() - before.at.getTime()) / 1_000);
      tell({ kind: 'recovered', outcome: before.outcome, seconds });
    }
    // Whatever happens to an interrupted job ends its waiting, but for what changes nothing of it.
    if (event.type !== 'BAN_LIFTED' && event.type !== 'WARNED') interrupted.delete(event.jobId);
    if (outcome === 'LOST' || outcome === 'RELEASED') interrupted.set(event.jobId, { outcome, at: event.at });
    if (interrupted.size > MOST_REMEMBERED) for (const oldest of interrupted.keys().take(1)) interrupted.delete(oldest);
  });
}

const ending = z.object({ outcome: z.enum(attemptOutcomes) });

function outcomeOf(event: JobEvent): AttemptOutcome | undefined {
  return ending.safeParse(event.data).data?.outcome;
}
