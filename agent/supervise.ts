import { pause, whenAborted } from '../lib/pause.ts';
import type { CommandExit, RunningCommand } from './process.ts';
import { type Shutdown, shutdownSignal } from './shutdown.ts';
import type { Activity } from './stall.ts';

/** Why a command has ended. All but the first were this agent's doing, whatever the exit code then was. */
export type Verdict =
  { rule: 'EXITED'; exit: CommandExit } | { rule: 'CANCELED' | 'LEASE_LOST' | 'STOPPING' | 'TIMED_OUT' | 'STALLED' };

export interface Supervision {
  command: RunningCommand;
  /** Aborted when the job was canceled, or its lease lost, with that as the reason. */
  cut: AbortSignal;
  shutdown: Shutdown;
  activity: Activity;
  timeoutSeconds: number | null;
  /** How long the command may go without a sign of life. */
  stallTimeoutSeconds: number | null;
  /** How long it may take to end by itself when the agent was told to stop (milliseconds), */
  shutdownGraceMs: number;
  /** and in any other case. */
  killGraceMs: number;
}

/** Waits until the command has ended, by itself or by the first rule that applies. */
export async function supervise(supervision: Supervision): Promise<Verdict> {
  const { command, cut, shutdown, killGraceMs, shutdownGraceMs } = supervision;
  const rule = await firstRule(supervision);
  const hurry = AbortSignal.any([cut, shutdown.hurrying]);
  switch (rule) {
    case 'EXITED':
      return { rule, exit: await command.exited };
    case 'LEASE_LOST':
      // Nothing of it may be kept any more, and the job may already run elsewhere.
      await command.kill();
      break;
    case 'CANCELED':
      await command.stop({ signal: 'SIGTERM', graceMs: killGraceMs, hurry: shutdown.hurrying });
      break;
    case 'TIMED_OUT':
    case 'STALLED':
      await command.stop({ signal: 'SIGTERM', graceMs: killGraceMs, hurry });
      break;
    case 'STOPPING':
      await command.stop({ signal: shutdownSignal(shutdown), graceMs: shutdownGraceMs, hurry });
  }
  return { rule };
}

async function firstRule(supervision: Supervision): Promise<Verdict['rule']> {
  const { command, cut, shutdown, activity, timeoutSeconds, stallTimeoutSeconds } = supervision;
  const decided = new AbortController();
  const over = decided.signal;
  const rules: Promise<Verdict['rule']>[] = [
    command.exited.then(() => 'EXITED'),
    whenAborted(cut, over).then(() => (cut.reason === 'CANCELED' ? 'CANCELED' : 'LEASE_LOST')),
    whenAborted(shutdown.stopping, over).then(() => 'STOPPING'),
  ];
  if (timeoutSeconds !== null) rules.push(pause(timeoutSeconds * 1000, over).then(() => 'TIMED_OUT'));
  if (stallTimeoutSeconds !== null) {
    rules.push(activity.untilStalled(stallTimeoutSeconds * 1000, over).then(() => 'STALLED'));
  }
  const rule = await Promise.race(rules);
  decided.abort();
  return rule;
}
