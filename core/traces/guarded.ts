import { messageOf } from '../../lib/errors.ts';
import type { JobTraces, Retrial, Submission } from './job-traces.ts';

const TELL_AT_MOST_EVERY_MS = 60_000;

/**
 * The same traces, of which no fault comes into the flow that they tell of: what is committed is committed, and what is asked for is done,
 * whatever becomes of its spans. Who is not told where something belongs has no trace.
 * @param onTrouble told of a fault, once a minute at most
 */
export function guarded(traces: JobTraces, onTrouble: (error: Error) => void): JobTraces {
  const attempt = createAttempt(onTrouble);
  return {
    submission(jobs) {
      const submission = attempt<Submission>(() => traces.submission(jobs), UNTOLD);
      return {
        begin: (jobId) => attempt(() => submission.begin(jobId), null),
        stored: (stored) => attempt(() => submission.stored(stored), undefined),
      };
    },
    claimed: (job, askedAt) => attempt(() => traces.claimed(job, askedAt), undefined),
    attemptParent: (job) => attempt(() => traces.attemptParent(job), null),
    attemptEnded: (job, ended) => attempt(() => traces.attemptEnded(job, ended), undefined),
    jobEnded: (job, at) => attempt(() => traces.jobEnded(job, at), undefined),
    retrial(job) {
      const retrial = attempt<Retrial | undefined>(() => traces.retrial(job), undefined);
      return retrial && { traceParent: retrial.traceParent, stored: () => attempt(() => retrial.stored(), undefined) };
    },
  };
}

const UNTOLD: Submission = { begin: () => null, stored: () => undefined };

type Attempt = <Result>(work: () => Result, otherwise: Result) => Result;

function createAttempt(onTrouble: (error: Error) => void): Attempt {
  let toldAt = -Infinity;
  return (work, otherwise) => {
    try {
      return work();
    } catch (error) {
      if (performance.now() - toldAt >= TELL_AT_MOST_EVERY_MS) {
        toldAt = performance.now();
        onTrouble(new Error(`Traces are incomplete: ${messageOf(error)}`, { cause: error }));
      }
      return otherwise;
    }
  };
}
