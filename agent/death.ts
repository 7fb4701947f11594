import { constants as systemConstants } from 'node:os';
import type { Exposure } from './process-group.ts';
import type { Death } from './sync/suspicion.ts';

/** How the command itself ended, as the system tells. */
export interface LeaderExit {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
}

/** What was sent to the command so that it ends. */
export interface Asked {
  signal: 'SIGTERM' | 'SIGINT';
  /** When the look began by which the exposure is known, and when the signal was sent, in milliseconds since 1970. */
  lookedAt: number;
  at: number;
  exposure: Exposure;
}

/** Signals that no program lives to tell of, and so none exits with the code by which a shell tells that its program died of one. */
const DEADLY = (['SIGILL', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV'] as const).map(
  (name) => systemConstants.signals[name],
);

/**
 * When the command died, if it did. Of the codes above 128, by which a shell tells of what its program died, most are also what
 * programs exit with by themselves, as after SIGTERM (143) when everything is saved. So the signal that was sent here, and its code,
 * mean: who had no handler died when it was sent, which matters if he was writing, and whatever was written after that somebody lived to
 * write. Any other code is that of an end in order. `killedAt`: when everything was sent SIGKILL here, in milliseconds since 1970: of that death
 * the system tells only when all memory is given back.
 */
export function deathsOf(
  { exitCode, signal }: LeaderExit,
  asked: Asked | undefined,
  killedAt: number | undefined,
): Death[] {
  if (asked !== undefined && (signal === asked.signal || exitCode === 128 + systemConstants.signals[asked.signal])) {
    return [deathOf(asked)];
  }
  const isDead = signal !== null || DEADLY.some((number) => exitCode === 128 + number);
  if (!isDead) return [];
  const death = { from: killedAt ?? Date.now(), until: Date.now() };
  return asked === undefined ? [death] : [deathOf(asked), death];
}

/** Where nobody was writing when it was looked, somebody may have begun before the signal came. */
function deathOf({ lookedAt, at, exposure }: Asked): Death {
  if (exposure.writes) return { from: at, until: at };
  return { from: at, until: at, begun: { since: lookedAt, mayBeHeirs: exposure.isGuarded } };
}
