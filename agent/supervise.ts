import { messageOf } from '../lib/errors.ts';
import { pause, whenAborted } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import type { CommandExit, RunningCommand } from './process.ts';
import { type Shutdown, shutdownSignal } from './shutdown.ts';
import type { Activity } from './stall.ts';

/** Why a command has ended. All but the first were this agent's doing, whatever the exit code then was. */
export interface Verdict {
  rule: 'EXITED' | 'CANCELED' | 'LEASE_LOST' | 'STOPPING' | 'TIMED_OUT' | 'STALLED' | 'DISK_SILENT';
  exit: CommandExit;
  /** Which disk it is, for a person, where one answers no more. */
  silence?: string;
}

export interface Supervision {
  command: RunningCommand;
  /** Aborted when the job was canceled, or its lease lost, with that as the reason. */
  cut: AbortSignal;
  shutdown: Shutdown;
  /** Aborted, with which it is, when a disk that its results are published from answers no more. */
  diskSilent: AbortSignal;
  activity: Activity;
  timeoutSeconds: number | null;
  /** How long the command may go without a sign of life. */
  stallTimeoutSeconds: number | null;
  /** Told which rule applies, before the command has ended by it. */
  onRule?: (rule: Verdict['rule']) => void;
  /** How long it may take to end by itself when the agent was told to stop (milliseconds), */
  shutdownGraceMs: number;
  /** and in any other case. */
  killGraceMs: number;
}

/** Waits until the command has ended, by itself or by the first rule that applies. */
export async function supervise(supervision: Supervision): Promise<Verdict> {
  const rule = await firstRule(supervision);
  supervision.onRule?.(rule);
  const silence = rule === 'DISK_SILENT' ? { silence: messageOf(supervision.diskSilent.reason) } : {};
  return { rule, exit: await endBy(rule, supervision), ...silence };
}

function endBy(rule: Verdict['rule'], supervision: Supervision): Promise<CommandExit> {
  const { command, cut, shutdown, killGraceMs, shutdownGraceMs } = supervision;
  const hurry = anyOf(cut, shutdown.hurrying);
  switch (rule) {
    case 'EXITED':
      return command.exited;
    case 'LEASE_LOST':
    case 'DISK_SILENT':
      // Nothing of it may, or can, be kept any more, and the job may already run elsewhere.
      return command.kill();
    case 'CANCELED':
      return command.stop({ signal: 'SIGTERM', graceMs: killGraceMs, publishes: false, hurry: shutdown.hurrying });
    case 'TIMED_OUT':
    case 'STALLED':
      return command.stop({ signal: 'SIGTERM', graceMs: killGraceMs, publishes: true, hurry });
    case 'STOPPING':
      return command.stop({ signal: shutdownSignal(shutdown), graceMs: shutdownGraceMs, publishes: true, hurry });
  }
}

async function firstRule(supervision: Supervision): Promise<Verdict['rule']> {
  const { command, cut, shutdown, diskSilent, activity, timeoutSeconds, stallTimeoutSeconds } = supervision;
  const decided = new AbortController();
  const over = decided.signal;
  const rules: Promise<Verdict['rule']>[] = [
    command.exited.then(() => 'EXITED'),
    whenAborted(cut, over).then(() => (cut.reason === 'CANCELED' ? 'CANCELED' : 'LEASE_LOST')),
    whenAborted(shutdown.stopping, over).then(() => 'STOPPING'),
    whenAborted(diskSilent, over).then(() => 'DISK_SILENT'),
  ];
  if (timeoutSeconds !== null) rules.push(pause(timeoutSeconds * 1000, over).then(() => 'TIMED_OUT'));
  if (stallTimeoutSeconds !== null) {
    rules.push(activity.untilStalled(stallTimeoutSeconds * 1000, over).then(() => 'STALLED'));
  }
  const rule = await Promise.race(rules);
  decided.abort();
  return rule;
}
