import type { Logger } from 'pino';
import { atMost, isAborted, whenAborted } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import type { AgentConfig } from './config.ts';
import { cutShort, type Ending, endingOf, type JobLimits, released } from './ending.ts';
import type { CommandExit, RunningCommand } from './process.ts';
import type { ProgressFile } from './progress.ts';
import { graceAfter, type Shutdown } from './shutdown.ts';
import type { Verdict } from './supervise.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';

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
 * Aborted when an agent that was told to stop by a signal waits for no step of an attempt any more; not once `over` is aborted. A command that
 * has struck a limit of its own before has the time to save that it has then.
 */
export function lastCallOf(
  shutdown: Pick<Shutdown, 'signaled' | 'hurrying'>,
  config: Pick<AgentConfig, 'shutdownGraceMs' | 'uploadGraceMs' | 'killGraceMs'>,
  over: AbortSignal,
): AbortSignal {
  const graceMs = Math.max(config.shutdownGraceMs, config.killGraceMs);
  const overdue = graceAfter(shutdown, graceMs + LOOK_MS + DRAIN_MS + config.uploadGraceMs + OVERDUE_MS, over);
  return anyOf(overdue, graceAfter({ signaled: shutdown.hurrying }, HURRIED_MS, over));
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

/**
 * Nothing of one job may meet the next; a file that resists is worth a warning, not the agent's end. What is left when `leaving` is aborted
 * the next agent removes.
 */
export async function purge({ sync, progress, log }: Closing, leaving: AbortSignal): Promise<void> {
  const results = await Promise.allSettled([sync.purge(leaving), progress.remove()]);
  for (const result of results) {
    if (result.status === 'rejected') log.warn({ err: result.reason as unknown }, 'Not everything could be purged');
  }
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

interface Closing {
  sync: Pick<AttemptSync, 'purge'>;
  progress: Pick<ProgressFile, 'remove'>;
  log: Logger;
}
