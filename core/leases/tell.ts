import type { Job } from '../../db/entities/job.ts';
import type { JobTraces, TracedAttempt } from '../traces/job-traces.ts';

/** What is told of an attempt, as those who end attempts name it. */
interface ToldAttempt extends Omit<TracedAttempt, 'number' | 'wasLost'> {
  attempt: number;
  late: boolean;
  resumed: boolean;
}

/** Tells those who trace jobs that an attempt has ended, and its job with it where that is so. For when it is committed. */
export function tellEnding(traces: JobTraces, job: Job, ended: ToldAttempt): void {
  const { attempt: number, late, resumed, ...attempt } = ended;
  traces.attemptEnded(job, { ...attempt, number, wasLost: late || resumed });
  const endedAt = job.completedAt ?? job.failedAt;
  if (endedAt !== null) traces.jobEnded(job, endedAt);
}
