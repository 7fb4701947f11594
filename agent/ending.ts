import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { repeatUntilAnswered } from '../lib/repeat.ts';
import { pause, whenAborted } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import { storable } from '../lib/storable.ts';
import type { Claim, Link, ReportAnswer } from './link.ts';
import type { Totals } from './news.ts';
import type { CommandExit } from './process.ts';
import { type Shutdown, whyStopping } from './shutdown.ts';
import type { Verdict } from './supervise.ts';

/** What became of an attempt, as this agent saw it. Of the last kind nothing is reported: the server said it. */
export type Ending = (
  | { kind: 'COMPLETED' }
  | { kind: 'FAILED' | 'SYNC_FAILED' | 'TIMED_OUT'; reason: string; exitCode?: number; signal?: string }
  | { kind: 'RELEASED'; reason: string }
  | { kind: 'CANCELED' | 'LEASE_LOST' }
) & {
  /** What of its command nobody could end. */
  survivor?: string;
  /** Of a SYNC_FAILED: it speaks of this machine, not of the store. */
  fault?: 'MACHINE';
  /** What left its files where they are, or nobody knows where: a disk that answers no more. */
  silence?: string;
};

/** Why an agent may no longer act on a job. */
export type CutReason = Extract<Ending['kind'], 'CANCELED' | 'LEASE_LOST'>;

/** Why the machine is of no use to another job after such an ending, for a person; undefined where it is. */
export function whyUnusable({ survivor, silence }: Pick<Ending, 'survivor' | 'silence'>): string | undefined {
  if (survivor !== undefined) return `A command could not be ended on this machine: ${survivor} survives SIGKILL`;
  return silence === undefined ? undefined : `The files of a job could not be removed from this machine: ${silence}`;
}

const REPEAT = { baseMs: 200, capMs: 10_000, tryMs: 10_000 };
/** A second signal leaves the report this long; a job that is not released waits for its lease to run out. */
const LAST_CHANCE_MS = 1000;
/** Characters; above what twenty lines of stderr take. */
const LONGEST_REASON = 8000;

export type JobLimits = Pick<Claim['job'], 'timeoutSeconds' | 'stallTimeoutSeconds'>;

/** What the end of a command means for its attempt: nothing yet where it has succeeded. */
export function endingOf(verdict: Verdict, job: JobLimits, shutdown: Shutdown): Ending | undefined {
  const ending = endingByRule(verdict, job, shutdown);
  const { survivor } = verdict.exit;
  if (survivor === undefined) return ending;
  const what = `${survivor} runs on although it was killed, so what it may still be writing was not uploaded.`;
  const advice =
    'The disk or the driver that it waits for does not answer, or it is another user’s; this machine gets no more work.';
  if (ending === undefined)
    return { kind: 'SYNC_FAILED', reason: `The command succeeded, but ${what} ${advice}`, survivor };
  if (!('reason' in ending)) return { ...ending, survivor };
  return { ...ending, reason: `${ending.reason}\n${capitalized(what)} ${advice}`, survivor };
}

function endingByRule(
  { rule, exit, silence }: Verdict,
  { timeoutSeconds, stallTimeoutSeconds }: JobLimits,
  shutdown: Shutdown,
): Ending | undefined {
  switch (rule) {
    case 'EXITED':
      return endingOfExit(exit);
    case 'CANCELED':
    case 'LEASE_LOST':
      return { kind: rule };
    case 'TIMED_OUT':
      return timedOut(`The command ran longer than its timeout of ${String(timeoutSeconds)} s.`);
    case 'STALLED':
      return timedOut(`stalled: no progress, no output and no published file for ${String(stallTimeoutSeconds)} s.`);
    case 'DISK_SILENT':
      return endingOfSilence(silence ?? 'a disk has not answered for long');
    case 'STOPPING':
      // Whatever code it exited with: a command that saves and exits 0 when it is told to stop has not done its work.
      return released(shutdown);
  }
}

function timedOut(reason: string): Ending {
  return { kind: 'TIMED_OUT', reason };
}

/** Of a machine that is of no use to this job, and may be of none to the next. `silence` says which of its disks answers no more. */
export function endingOfSilence(silence: string): Ending {
  return { kind: 'SYNC_FAILED', reason: silence, fault: 'MACHINE', silence };
}

export function released(shutdown: Shutdown): Ending {
  return { kind: 'RELEASED', reason: whyStopping(shutdown) };
}

/** Of an attempt that was cut, whatever else it would have come to; only what survives of it still matters. */
export function cutShort({ reason }: AbortSignal, { survivor }: Pick<Ending, 'survivor'> = {}): Ending {
  const kind: CutReason = reason === 'CANCELED' ? 'CANCELED' : 'LEASE_LOST';
  return { kind, ...(survivor === undefined ? {} : { survivor }) };
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** What a command's own exit means: nothing yet when it succeeded, a failure otherwise. */
export function endingOfExit(exit: CommandExit): Ending | undefined {
  if (exit.exitCode === 0) return undefined;
  const how = exit.exitCode === null ? killed(exit.signal) : `exited with code ${exit.exitCode}`;
  const said =
    exit.stderrTail.length === 0
      ? 'It wrote nothing to stderr.'
      : `Last lines of stderr:\n${exit.stderrTail.join('\n')}`;
  return {
    kind: 'FAILED',
    reason: `The command ${how}. ${said}`,
    ...(exit.exitCode === null ? {} : { exitCode: exit.exitCode }),
    ...(exit.signal === null ? {} : { signal: exit.signal }),
  };
}

function killed(signal: string | null): string {
  const usual = signal === 'SIGKILL' ? ' (usual when the machine is out of memory)' : '';
  return `was ended by ${signal ?? 'an unknown signal'}, which this agent did not send${usual}`;
}

export interface Settlement {
  link: Link;
  lease: { jobId: string; attempt: number };
  totals: Totals;
  /** The job is no longer this agent's: there is nothing left to report. */
  cut: AbortSignal;
  hurrying: AbortSignal;
  log: Logger;
}

/** Reports an ending until the server has answered, the job was taken away, or the agent may wait no longer. */
export async function settle(ending: Ending, settlement: Settlement): Promise<void> {
  const { link, log } = settlement;
  const input = { ...settlement.lease, ...settlement.totals };
  switch (ending.kind) {
    case 'COMPLETED':
      return report((signal) => link.complete(input, signal), settlement);
    case 'FAILED':
    case 'SYNC_FAILED':
    case 'TIMED_OUT': {
      const { kind: outcome, exitCode, signal: name } = ending;
      const exit = { ...(exitCode === undefined ? {} : { exitCode }), ...(name === undefined ? {} : { signal: name }) };
      const failure = { ...input, outcome, reason: bounded(ending.reason), ...exit };
      return report((signal) => link.fail(failure, signal), settlement);
    }
    case 'RELEASED':
      return report((signal) => link.release({ ...input, reason: ending.reason }, signal), settlement);
    case 'CANCELED':
    case 'LEASE_LOST':
      log.info('There is nothing to report of this attempt');
  }
}

/** What the server can store. Of a long reason the beginning says what happened, and the end is what was said last. */
function bounded(reason: string): string {
  const room = LONGEST_REASON / 2 - 1;
  return storable(reason.length <= LONGEST_REASON ? reason : `${reason.slice(0, room)}\n…${reason.slice(-room)}`);
}

async function report(ask: (signal: AbortSignal) => Promise<ReportAnswer>, settlement: Settlement): Promise<void> {
  const { cut, hurrying, log } = settlement;
  const settled = new AbortController();
  const outOfPatience = new AbortController();
  void whenAborted(hurrying, settled.signal)
    .then(() => pause(LAST_CHANCE_MS, settled.signal))
    .then(() => outOfPatience.abort());

  const answer = await repeatUntilAnswered(ask, {
    ...REPEAT,
    signal: anyOf(cut, outOfPatience.signal),
    onFailure: (err, failures) =>
      log.warn({ reason: messageOf(err), failures }, 'The end of the attempt could not be reported, and is repeated'),
  });
  settled.abort();
  if (answer === undefined) log.warn('The end of the attempt stays unreported');
  else if (answer.kind !== 'ACCEPTED') log.warn({ answer }, 'The server did not accept the end of the attempt');
}
