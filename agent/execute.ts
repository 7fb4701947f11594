import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { atMost, isAborted, whenAborted } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import type { Slots } from '../lib/slots.ts';
import type { Tracer } from '../lib/traces/tracer.ts';
import { type AttemptTrace, traceAttempt } from './attempt-trace.ts';
import { cleanUp, commandGraceMs, type Course, givenUp, lastCallOf, stopSync, uploadPatience } from './closing.ts';
import type { AgentConfig } from './config.ts';
import { type CutReason, cutShort, type Ending, endingOf, endingOfSilence, released, settle } from './ending.ts';
import { type HandOver, createHandOver } from './hand-over.ts';
import { holdLease } from './hold.ts';
import { launch } from './launch.ts';
import type { Lease } from './lease.ts';
import type { Claim, Link } from './link.ts';
import { type LogShipper, shipLogs } from './logs.ts';
import { totalsOf } from './news.ts';
import type { Witness } from './occupation.ts';
import type { PresenceRecord } from './presence.ts';
import { CommandNotStarted } from './process.ts';
import { type ProgressFile, createProgressFile } from './progress.ts';
import { RECALLED, type Shutdown, graceAfter, hurriesAfter } from './shutdown.ts';
import { type Activity, createActivity } from './stall.ts';
import { type Verdict, supervise } from './supervise.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';
import { DiskSilent, isOfMachine, SyncError } from './sync/errors.ts';
import type { Vigil } from './vigil.ts';

export interface AttemptParts {
  claim: Claim;
  /** When it was first asked for, on the monotonic clock. */
  askedAt: number;
  link: Link;
  sync: AttemptSync;
  presence: PresenceRecord;
  vigil: Vigil;
  witness: Pick<Witness, 'entered' | 'beat'>;
  /** Where the command may read what the agent does, if anywhere. */
  stateFile: string | undefined;
  config: Omit<AgentConfig, 'sync' | 'storage'>;
  /** For the one attempt that may still upload behind a running one; nothing where that is not wanted. */
  berth: Slots | undefined;
  /** Of the agent; for the steps also of this attempt alone, when the server wants the job back. */
  shutdown: Shutdown;
  /** Who writes spans, if anybody does. */
  tracer: Tracer | undefined;
  log: Logger;
}

/** An attempt on its way, for those who hear of it from outside. */
export interface LiveAttempt {
  readonly jobId: string;
  readonly number: number;
  /** The job was canceled: stop at once, upload and report nothing more. */
  cancel(): void;
  /** The connection was made anew: ask whether the lease still holds. */
  reconnected(): void;
  /** Resolves when its files have made way for the next job; stays open when they do not before it ends. */
  readonly madeWay: Promise<void>;
  /** Resolves, and never rejects, when everything is settled and cleaned up. */
  readonly ended: Promise<Ending>;
}

/** The one record that the steps work on. */
interface Attempt extends AttemptParts {
  lease: Lease;
  /** Aborted, with a CutReason, when this agent may no longer act on the job. */
  cut: AbortSignal;
  handOver: HandOver;
  /** Aborted when uploads of an attempt whose command has ended may take no longer. */
  patience: AbortSignal;
  /** Whether what survives SIGKILL may be waited for no longer. */
  hurries: () => boolean;
  course: Course;
  progress: ProgressFile;
  activity: Activity;
  logs: LogShipper;
  trace: AttemptTrace;
}

/** A step returns an ending when it is the last one; otherwise the next step follows. */
type Step = (attempt: Attempt) => Promise<Ending | undefined>;

const PIPELINE: readonly Step[] = [prepare, download, watch, run, makeWay, flushAll, uploadAfter];

/** Sees one claimed attempt through to its end: moves the data, runs the command, reports, cleans up. */
export function executeAttempt(parts: AttemptParts): LiveAttempt {
  const { claim, sync } = parts;
  const cut = new AbortController();
  const recall = new AbortController();
  const shutdown = { ...parts.shutdown, stopping: anyOf(parts.shutdown.stopping, recall.signal) };
  const trace = traceAttempt(parts);
  const { traceId } = trace;
  const about = { jobId: claim.job.id, attempt: claim.attempt.number };
  const log = parts.log.child(traceId === undefined ? about : { ...about, trace_id: traceId });
  const lease = holdLease({
    ...parts,
    onLost: (isCanceled) => cut.abort((isCanceled ? 'CANCELED' : 'LEASE_LOST') satisfies CutReason),
    onRecall: () => recall.abort(RECALLED),
    onSaved: () => trace.saved(),
    log,
  });
  cut.signal.addEventListener('abort', () => void stopSync(sync, log), { once: true });
  const over = anyOf(shutdown.stopping, cut.signal);
  const handOver = createHandOver({ ...parts, over, log });

  return {
    jobId: claim.job.id,
    number: claim.attempt.number,
    cancel: () => cut.abort('CANCELED' satisfies CutReason),
    reconnected: () => lease.renew(),
    madeWay: handOver.done,
    ended: seeThrough({ ...parts, shutdown, log, lease, handOver, trace, cut: cut.signal }),
  };
}

const STOPPED_WITHIN_MS = 5000;

async function seeThrough(
  parts: Omit<Attempt, 'course' | 'progress' | 'activity' | 'patience' | 'hurries' | 'logs'>,
): Promise<Ending> {
  const { log, lease, sync, link, claim, cut, shutdown, handOver, trace } = parts;
  log.info({ command: claim.job.command }, 'Attempt begins');
  const activity = createActivity(() => sync.counts().filesUploaded);
  const over = new AbortController();
  const { uploadGraceMs } = parts.config;
  const patience = graceAfter(shutdown, uploadGraceMs, over.signal);
  // With a survivor nothing is uploaded, so it may take the time of the uploads, less that for the report.
  const hurries = hurriesAfter(shutdown, commandGraceMs(parts.config) + uploadGraceMs - STOPPED_WITHIN_MS, over.signal);
  const named = { jobId: claim.job.id, attempt: claim.attempt.number };
  const { leaseMillis } = claim;
  const logs = shipLogs({ ...named, ...shutdown, link, cut, leaseMillis, beganAt: parts.askedAt, log });
  const lastCall = lastCallOf(parts, over.signal);
  const progress = await createProgressFile(log);
  const attempt: Attempt = { ...parts, activity, patience, hurries, logs, progress, course: {} };
  const ending = await Promise.race([pursue(attempt), whenAborted(lastCall, over.signal).then(() => givenUp(attempt))]);
  handOver.cease();
  over.abort();
  log.info({ ending }, 'Attempt ends');
  // Nothing is sent once it has begun to stop; what hangs, as a survivor or a disk does, need not be waited for.
  const hangs = lastCall.aborted || ending.silence !== undefined;
  await atMost(hangs ? 0 : STOPPED_WITHIN_MS, stopSync(sync, log));
  // After the report nobody may speak of the attempt any more, so what its command said last goes before.
  await Promise.all([lease.tellLast(anyOf(cut, shutdown.hurrying)), logs.end()]);
  const settlement = { link, lease: named, totals: totalsOf(sync.state()), cut, hurrying: shutdown.hurrying, log };
  await trace.part('report', () => settle(ending, settlement));
  trace.ended(ending);
  lease.stop();
  return cleanUp(attempt, ending);
}

async function pursue(attempt: Attempt): Promise<Ending> {
  for (const step of PIPELINE) {
    const ending = await take(step, attempt);
    if (ending !== undefined) return ending;
  }
  return { kind: 'COMPLETED' };
}

/** Takes one step. Whatever it met, having lost the job comes first, then having been told to stop. */
async function take(step: Step, attempt: Attempt): Promise<Ending | undefined> {
  if (isAborted(attempt.cut)) return cutShort(attempt.cut);
  try {
    const ending = await step(attempt);
    return isAborted(attempt.cut) ? cutShort(attempt.cut, ending) : ending;
  } catch (error) {
    if (isAborted(attempt.cut)) return cutShort(attempt.cut);
    if (attempt.shutdown.stopping.aborted) return released(attempt.shutdown);
    if (error instanceof DiskSilent) return endingOfSilence(error.message);
    const fault = isOfMachine(error) ? { fault: 'MACHINE' as const } : {};
    if (error instanceof SyncError) return { kind: 'SYNC_FAILED', reason: error.message, ...fault };
    attempt.log.error({ err: error, step: step.name }, 'A step of the attempt failed');
    return {
      kind: 'SYNC_FAILED',
      reason: `The agent failed in the step "${step.name}": ${messageOf(error)}`,
      ...fault,
    };
  }
}

async function prepare({ lease, sync }: Attempt): Promise<undefined> {
  lease.enter('DOWNLOADING');
  await sync.prepare();
}

async function download(attempt: Attempt): Promise<Ending | undefined> {
  const { shutdown, sync, cut, trace } = attempt;
  await trace.part('download', () => sync.download(anyOf(cut, shutdown.stopping)));
  return shutdown.stopping.aborted ? released(shutdown) : undefined;
}

async function watch({ sync }: Attempt): Promise<undefined> {
  await sync.watch();
}

async function run(attempt: Attempt): Promise<Ending | undefined> {
  const { lease, progress, trace, shutdown } = attempt;
  if (shutdown.stopping.aborted) return released(shutdown);
  lease.enter('RUNNING');
  try {
    const verdict = await trace.part('command', (traceParent) => runCommand(attempt, traceParent));
    return await afterCommand(verdict, attempt);
  } catch (error) {
    if (!(error instanceof CommandNotStarted)) throw error;
    const { fault, message: reason } = error;
    return fault === 'COMMAND' ? { kind: 'FAILED', reason } : { kind: 'SYNC_FAILED', reason, fault };
  } finally {
    await progress.finish();
  }
}

async function runCommand(attempt: Attempt, traceParent: string | undefined): Promise<Verdict> {
  const { claim, config, lease, progress, activity, cut, shutdown, trace, course } = attempt;
  const command = await launch(attempt, traceParent);
  course.command = command;
  void command.exited.then((exit) => {
    course.exit = exit;
    attempt.sync.commandMayHaveDied(exit.deaths);
    // While the last uploads go on.
    void attempt.logs.end();
  });
  progress.watch((now) => {
    activity.seen();
    lease.report(now);
  });
  const { timeoutSeconds, stallTimeoutSeconds } = claim.job;
  const { shutdownGraceMs, killGraceMs } = config;
  const limits = { timeoutSeconds, stallTimeoutSeconds, shutdownGraceMs, killGraceMs };
  const verdict = await supervise({
    ...{ command, cut, shutdown, activity, diskSilent: attempt.sync.diskSilent, ...limits },
    onRule: (rule) => (course.rule = rule),
  });
  trace.exited(verdict.exit);
  return verdict;
}

/** What the end of the command means for the attempt; undefined: the next step follows. */
async function afterCommand(verdict: Verdict, attempt: Attempt): Promise<Ending | undefined> {
  const ending = endingOf(verdict, attempt.claim.job, attempt.shutdown);
  if (verdict.exit.survivor !== undefined) return ending;
  switch (verdict.rule) {
    case 'CANCELED':
    case 'LEASE_LOST':
    case 'DISK_SILENT':
      return ending;
    case 'EXITED':
    case 'TIMED_OUT':
    case 'STALLED':
    case 'STOPPING':
      return withLastCheckpoints(ending, attempt);
  }
}

/** The next attempt goes on from what this one has saved, so what it saved last goes up first, if it can. */
async function withLastCheckpoints(ending: Ending | undefined, attempt: Attempt): Promise<Ending | undefined> {
  if (ending === undefined) return undefined;
  const { shutdown, config, patience } = attempt;
  try {
    await flush(attempt, uploadPatience(shutdown, config.uploadGraceMs, patience));
  } catch (error) {
    attempt.log.warn({ err: error, ending: ending.kind }, 'The last changes could not be uploaded');
  }
  return ending;
}

/** The command has succeeded. What is left to do needs the network, not the machine. */
async function makeWay({ handOver }: Attempt): Promise<undefined> {
  handOver.begin();
}

/** The step after a success: everything, however long it takes, unless the machine may soon be gone. */
function flushAll(attempt: Attempt): Promise<undefined> {
  return flush(attempt, attempt.patience);
}

async function flush({ lease, sync, cut, shutdown, trace }: Attempt, patience: AbortSignal): Promise<undefined> {
  lease.enter('UPLOADING');
  await trace.part('flush', () => sync.flush(anyOf(cut, shutdown.hurrying, patience)));
}

async function uploadAfter({ sync, cut, shutdown, patience, trace }: Attempt): Promise<undefined> {
  await trace.part('upload', () => sync.uploadAfter(anyOf(cut, shutdown.hurrying, patience)));
}
