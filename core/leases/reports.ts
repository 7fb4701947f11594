import type { AttemptPhase, Progress } from '../../db/entities/attempt.ts';
import type { Owner } from '../../db/plain.ts';
import type { Alone } from './alone.ts';
import type { Fence } from './terms.ts';
import { writtenBy, writtenTogether } from './together.ts';

/** What an attempt says of itself, as the statement names it. */
interface Report extends Fence {
  phase: AttemptPhase | null;
  progress: Progress | null;
  transfer: Progress | null;
  says_warning: boolean;
  warning: string | null;
}

/** How many events were appended. */
interface Reported {
  events: number;
}

const reportStatement = writtenBy<Reported>('report-attempts');

/** Stores what an attempt says of itself, with its events; undefined where its lease is lost. What is returned is committed. */
export type StoreReport = (report: Report) => Promise<Reported | undefined>;

export function createReports(owner: Owner, alone: Alone): StoreReport {
  return writtenTogether(owner, alone, reportStatement);
}
