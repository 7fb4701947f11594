import type { AttemptOutcome } from '../../db/entities/attempt.ts';
import type { Job } from '../../db/entities/job.ts';
import { messageOf } from '../../lib/errors.ts';
import { createAttempt } from '../../lib/traces/attempt.ts';
import { formatTraceParent, parseTraceParent, placeBelow, type TraceContext } from '../../lib/traces/trace-context.ts';
import type { TracedSpan, Tracer } from '../../lib/traces/tracer.ts';

export interface TraceParts {
  /** Who writes spans, if anybody does. */
  tracer: Tracer | undefined;
  /** Where whoever asks for what runs now is in a trace, if that may be joined. */
  asking: () => TraceContext | undefined;
}

/** What is told of a job: also as a row that is no entity. */
export type TracedJob = Pick<Job, 'id' | 'traceParent' | 'accountId' | 'containerGroupId'>;

export type EndedJob = TracedJob &
  Pick<Job, 'status' | 'createdAt' | 'retriedAt' | 'attemptNumber' | 'numFailures' | 'numInterruptions'>;

/** An ending, as the database has it. */
export interface TracedAttempt {
  number: number;
  machineId: string;
  agentId: string | null;
  outcome: AttemptOutcome;
  reason: string | null;
  exitCode?: number | null | undefined;
  signal?: string | null | undefined;
  startedAt: Date;
  endedAt: Date;
  /** It had been taken for lost before, and told as such. */
  wasLost: boolean;
}

/**
 * One trace for each job, in spans that are few: its submission, and when they have ended, its attempts and the job as a whole. Jobs take days,
 * and many servers: a span is written by whoever sees its end, so its place must be known to all of them before. The job's row has the
 * place of the submission; all others are found from that.
 *
 * Everything is told after the transaction that made it true, and nothing waits for it.
 */
export interface JobTraces {
  submission(jobs: number): Submission;
  claimed(job: Job, askedAt: Date): void;
  /** What the holder of a job's newest attempt continues from, as a `traceparent`. */
  attemptParent(job: Pick<Job, 'id' | 'traceParent' | 'attemptNumber'>): string | null;
  attemptEnded(job: TracedJob, attempt: TracedAttempt): void;
  jobEnded(job: EndedJob, at: Date): void;
  /** Begins the job's next part. Nothing where the job is not traced. */
  retrial(job: TracedJob): Retrial | undefined;
}

export interface Submission {
  /** What the job's row is to keep. */
  begin(jobId: string): string | null;
  /** These were stored, and maybe others that were known before. */
  stored(jobs: readonly TracedJob[]): void;
}

export interface Retrial {
  /** What the job's row is to keep from now on. */
  traceParent: string;
  stored(): void;
}

/**
 * By default nobody writes spans, and nobody's trace is joined. Nothing of it throws.
 * @param onTrouble told of what went wrong with them instead
 */
export function createJobTraces(parts: TraceParts | undefined, onTrouble: (error: Error) => void): JobTraces {
  const { tracer, asking } = parts ?? UNTRACED;
  const traces = tracer === undefined ? handingOn(asking) : writing(tracer, asking);
  return guarded(traces, (error) =>
    onTrouble(new Error(`Traces are incomplete: ${messageOf(error)}`, { cause: error })),
  );
}

const UNTRACED: TraceParts = { tracer: undefined, asking: () => undefined };

/** What is committed is committed, and what is asked for is done, whatever becomes of its spans. */
function guarded(traces: JobTraces, onTrouble: (error: unknown) => void): JobTraces {
  const attempt = createAttempt(onTrouble);
  const nothing = (): undefined => undefined;
  return {
    submission(jobs) {
      const submission = attempt<Submission | undefined>(() => traces.submission(jobs), nothing);
      return {
        begin: (jobId) =>
          attempt(
            () => submission?.begin(jobId) ?? null,
            () => null,
          ),
        stored: (stored) => attempt(() => submission?.stored(stored), nothing),
      };
    },
    claimed: (job, askedAt) => attempt(() => traces.claimed(job, askedAt), nothing),
    attemptParent: (job) =>
      attempt(
        () => traces.attemptParent(job),
        () => null,
      ),
    attemptEnded: (job, ended) => attempt(() => traces.attemptEnded(job, ended), nothing),
    jobEnded: (job, at) => attempt(() => traces.jobEnded(job, at), nothing),
    retrial(job) {
      const retrial = attempt(() => traces.retrial(job), nothing);
      return retrial && { traceParent: retrial.traceParent, stored: () => attempt(() => retrial.stored(), nothing) };
    },
  };
}

function writing(tracer: Tracer, asking: TraceParts['asking']): JobTraces {
  return {
    submission: (jobs) => createSubmission(tracer, asking(), jobs === 1),
    claimed(job, askedAt) {
      const places = placesOf(job);
      if (places === undefined) return;
      const about = { ...attributesOf(job), ...attributesOfAttempt(job.attemptNumber, job.machineId) };
      tracer.begin({ name: 'claim', parent: places.job, startedAt: askedAt, attributes: about }).end();
    },
    attemptParent(job) {
      const places = placesOf(job);
      return places === undefined ? null : formatTraceParent(places.attempt(job.attemptNumber));
    },
    attemptEnded: (job, attempt) => tellAttempt(tracer, job, attempt),
    jobEnded: (job, at) => tellJob(tracer, job, at),
    retrial(job) {
      const places = placesOf(job);
      if (places === undefined) return undefined;
      const span = tracer.begin({ name: 'retry job', parent: places.submission, attributes: attributesOf(job) });
      return { traceParent: formatTraceParent(span.context), stored: () => span.end() };
    },
  };
}

/** Nobody here writes spans, but agents and commands may, and continue what a submission came from. */
function handingOn(asking: TraceParts['asking']): JobTraces {
  return {
    submission(jobs) {
      // As where they are written: of many, none stands at the caller's place.
      const context = jobs === 1 ? asking() : undefined;
      const traceParent = context === undefined ? null : formatTraceParent(context);
      return { begin: () => traceParent, stored: () => undefined };
    },
    claimed: () => undefined,
    attemptParent: (job) => job.traceParent,
    attemptEnded: () => undefined,
    jobEnded: () => undefined,
    retrial: () => undefined,
  };
}

/** One job joins its caller's trace. Of many, each has its own, which names the caller's: a thousand jobs in one are of use to nobody. */
function createSubmission(tracer: Tracer, caller: TraceContext | undefined, joins: boolean): Submission {
  const spans = new Map<string, TracedSpan>();
  return {
    begin(jobId) {
      const from = joins ? { parent: caller } : { cause: caller };
      const span = tracer.begin({ name: 'submit job', isAnswer: true, ...from });
      spans.set(jobId, span);
      return formatTraceParent(span.context);
    },
    stored(jobs) {
      for (const job of jobs) {
        const span = spans.get(job.id);
        span?.note(attributesOf(job));
        span?.end();
      }
    },
  };
}

/** Where the spans of a job are, before anybody has written them. */
function placesOf(job: Pick<Job, 'id' | 'traceParent'>) {
  const submission = parseTraceParent(job.traceParent);
  if (submission === undefined) return undefined;
  return {
    submission,
    // With the job's id: what others have submitted under the same context lies elsewhere.
    job: placeBelow(submission, `job ${job.id}`),
    attempt: (number: number) => placeBelow(submission, `attempt ${number} at job ${job.id}`),
  };
}

/** An attempt that comes back after it was told as lost is told once more, whole, and beside that: a span cannot be taken back. */
function tellAttempt(tracer: Tracer, job: TracedJob, attempt: TracedAttempt): void {
  const places = placesOf(job);
  if (places === undefined) return;
  const { number, outcome, startedAt, endedAt, wasLost } = attempt;
  const reason = reasonOf(attempt);
  const span = tracer.begin({
    ...{ name: 'attempt', parent: places.job, startedAt },
    id: wasLost ? undefined : places.attempt(number).spanId,
    attributes: {
      ...attributesOf(job),
      ...attributesOfAttempt(number, attempt.machineId),
      'kelpie.agent.id': attempt.agentId ?? undefined,
      'kelpie.attempt.outcome': outcome,
      'kelpie.attempt.reason': reason,
      'kelpie.attempt.resumed': wasLost ? true : undefined,
      'process.exit.code': attempt.exitCode ?? undefined,
    },
  });
  if (outcome === 'LOST' || outcome === 'RELEASED')
    span.event('interrupted', { 'kelpie.attempt.reason': reason }, endedAt);
  const isFine = outcome === 'COMPLETED' || outcome === 'CANCELED';
  span.end({ at: endedAt, fault: isFine ? undefined : (reason ?? outcome) });
}

const LONGEST_REASON = 256;

/** The first line, which is the agent's or the server's: below it may stand what the command wrote. */
function reasonOf({ outcome, reason, exitCode, signal }: TracedAttempt): string | undefined {
  if (outcome === 'FAILED' && typeof exitCode === 'number') return `The command exited with code ${exitCode}`;
  if (outcome === 'FAILED' && typeof signal === 'string') return `The command was ended by ${signal}`;
  return reason?.split('\n', 1)[0]?.slice(0, LONGEST_REASON);
}

function tellJob(tracer: Tracer, job: EndedJob, at: Date): void {
  const places = placesOf(job);
  if (places === undefined) return;
  const span = tracer.begin({
    ...{ name: 'job', parent: places.submission, id: places.job.spanId },
    startedAt: job.retriedAt ?? job.createdAt,
    attributes: {
      ...attributesOf(job),
      'kelpie.job.status': job.status,
      'kelpie.job.attempts': job.attemptNumber,
      'kelpie.job.failures': job.numFailures,
      'kelpie.job.interruptions': job.numInterruptions,
    },
  });
  span.end({ at, fault: job.status === 'FAILED' ? 'The job has failed' : undefined });
}

/** Ids and names that the operator's tables have too; nothing of what is run, and with what. */
function attributesOf(job: TracedJob) {
  return {
    'kelpie.job.id': job.id,
    'kelpie.account.id': job.accountId,
    'kelpie.container_group.id': job.containerGroupId,
  };
}

function attributesOfAttempt(number: number, machineId: string | null) {
  return { 'kelpie.attempt.number': number, 'kelpie.machine.id': machineId ?? undefined };
}
