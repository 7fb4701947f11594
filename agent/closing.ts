import type { Logger } from 'pino';
import { atMost, isAborted, whenAborted } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import type { AgentConfig } from './config.ts';
import { cutShort, type Ending, endingOf, type JobLimits, released } from './ending.ts';
import type { HandOver } from './hand-over.ts';
import type { CommandExit, RunningCommand } from './process.ts';
import type { ProgressFile } from './progress.ts';
import { graceAfter, type Shutdown } from './shutdown.ts';
import type { Verdict } from './supervise.ts';
import { type AttemptSync, DiskSilent } from './sync/attempt-sync.ts';

/** What has become of the command of an attempt so far; nothing before it is started. */
export interface Course {
  command?: RunningCommand;
  rule?: Verdict['rule'];
  exit?: CommandExit;
}

/** Steps end by themselves when their time is over; this much later something holds one up. */
const OVERDUE_MS = 3000;
/** What a command's end may take besides its grace: the look at who is writing, and the output that is still on its way. */
const [LOOK_MS, DRAIN_MS] = [2000, 1000];
/** After a second signal nobody waits longer; what dies of SIGKILL in order is gone by then. */
const HURRIED_MS = 1000;

/**
 * Aborted when no step of an attempt is waited for any more, as its agent was told to stop by a signal, or the job is no longer this agent's;
 * not once `over` is aborted. A command that has struck a limit of its own before has the time to save that it has then.
 */
export function lastCallOf({ shutdown, cut, config }: LastCallParts, over: AbortSignal): AbortSignal {
  const { killGraceMs, killWaitMs, uploadGraceMs } = config;
  const endMs = LOOK_MS + DRAIN_MS + OVERDUE_MS;
  const overdue = graceAfter(shutdown, commandGraceMs(config) + endMs + uploadGraceMs, over);
  const cutLongAgo = graceAfter({ signaled: cut }, killGraceMs + killWaitMs + endMs, over);
  return anyOf(overdue, cutLongAgo, graceAfter({ signaled: shutdown.hurrying }, HURRIED_MS, over));
}

interface LastCallParts {
  shutdown: Pick<Shutdown, 'signaled' | 'hurrying'>;
  cut: AbortSignal;
  config: Pick<AgentConfig, 'shutdownGraceMs' | 'uploadGraceMs' | 'killGraceMs' | 'killWaitMs'>;
}

/** The longest that a command may take to end by itself from the signal to its agent on, whether that came before a limit of its own or after. */
export function commandGraceMs(config: Pick<AgentConfig, 'shutdownGraceMs' | 'killGraceMs'>): number {
  return Math.max(config.shutdownGraceMs, config.killGraceMs);
}

/**
 * Aborted when the uploads of a command that has ended may take no longer: some time after the agent was told to stop by a signal, or the
 * command has ended, whichever is later, as it may have taken long to save what it has. Where the server has asked for the job, or for
 * the agent to leave, the machine stays, and they take the time that they need.
 * @param sinceSignal that time after the signal
 */
export function uploadPatience(
  { signaled }: Pick<Shutdown, 'signaled'>,
  uploadGraceMs: number,
  sinceSignal: AbortSignal,
): AbortSignal {
  return isAborted(signaled) ? AbortSignal.timeout(uploadGraceMs) : sinceSignal;
}

/** A process that is killed is gone at once, or else given up after a second. */
const KILLED_WITHIN_MS = 3000;

/**
 * A step is held up, as by a disk that does not answer: the job goes on elsewhere before this agent is killed. What had been decided of the
 * attempt stays; what of its command lives is killed. Never rejects.
 */
export async function givenUp({ claim, cut, shutdown, course, log }: GivenUp): Promise<Ending> {
  log.warn('What the attempt is at does not end in time, and is left');
  const ending = await endingOfCourse(course, claim.job, shutdown);
  return isAborted(cut) ? cutShort(cut, ending) : ending;
}

interface GivenUp {
  claim: { job: JobLimits };
  cut: AbortSignal;
  shutdown: Shutdown;
  course: Course;
  log: Logger;
}

async function endingOfCourse(course: Course, job: JobLimits, shutdown: Shutdown): Promise<Ending> {
  const { command } = course;
  if (command === undefined) return released(shutdown);
  if (course.exit === undefined) {
    const killed = command.kill().then((exit) => (course.exit = exit));
    await atMost(KILLED_WITHIN_MS, killed);
  }
  const { rule = 'STOPPING', exit = unseenExit(command) } = course;
  return endingOf({ rule, exit }, job, shutdown) ?? released(shutdown);
}

/** Nobody knows but that it may live. */
function unseenExit({ pid }: RunningCommand): CommandExit {
  return { exitCode: null, signal: null, deaths: [], stderrTail: [], survivor: `process ${pid}` };
}

/** Nothing is written to storage after this. Never rejects. */
export async function stopSync(sync: AttemptSync, log: Logger): Promise<void> {
  await sync.stop().catch((err: unknown) => log.warn({ err }, 'The sync did not stop cleanly'));
}

interface Closing {
  sync: Pick<AttemptSync, 'purge'>;
  progress: Pick<ProgressFile, 'remove'>;
  handOver: Pick<HandOver, 'end'>;
  shutdown: Pick<Shutdown, 'signaled' | 'hurrying'>;
  log: Logger;
}

/**
 * Removes what an attempt that is settled has left here, and frees its place. Resolves to its ending, with what kept the files from being removed
 * where that was a disk that does not answer. Never rejects.
 */
export async function cleanUp(closing: Closing, ending: Ending): Promise<Ending> {
  let { silence } = ending;
  await unlessLeaving(closing.shutdown, async (leaving) => {
    // What a survivor still works on, or a disk does not let go, is left to the next agent, which empties what it finds of a job that is not its own.
    if (ending.survivor === undefined && silence === undefined) silence = await purge(closing, leaving);
    const ended = closing.handOver.end();
    // Where the disk is silent, it may wait for that as well.
    if (silence === undefined) await ended;
  });
  return silence === undefined ? ending : { ...ending, silence };
}

/**
 * Nothing of one job may meet the next; a file that resists is worth a warning, not the agent's end. What is left when `leaving` is aborted,
 * or because a disk does not answer, the next agent removes. Resolves to the latter, for a person, where it was so.
 */
async function purge({ sync, progress, log }: Closing, leaving: AbortSignal): Promise<string | undefined> {
  const results = await Promise.allSettled([sync.purge(leaving), progress.remove()]);
  const faults = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const silent = faults.find((fault) => fault instanceof DiskSilent);
  for (const err of faults.filter((fault) => fault !== silent)) log.warn({ err }, 'Not everything could be purged');
  if (silent === undefined) return undefined;
  log.error({ reason: silent.message }, 'The files of the job cannot be removed, and no more work is taken here');
  return silent.message;
}

/** What an agent leaves to the next one, which empties what it finds of a job that is not its own, takes it this long from when it is told to stop. */
const LEFT_AFTER_MS = 3000;

/**
 * Does `work`, but of an agent that was told to stop by a signal some seconds at most, and after a second signal no longer: then the signal
 * given to `work` is aborted, and it is not waited for, as a disk may not answer.
 */
export async function unlessLeaving(
  shutdown: Pick<Shutdown, 'signaled' | 'hurrying'>,
  work: (leaving: AbortSignal) => Promise<void>,
): Promise<void> {
  const over = new AbortController();
  const leaving = anyOf(graceAfter(shutdown, LEFT_AFTER_MS, over.signal), shutdown.hurrying);
  await Promise.race([work(leaving), whenAborted(leaving, over.signal)]).finally(() => over.abort());
}
