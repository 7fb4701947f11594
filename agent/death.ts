import { constants as systemConstants } from 'node:os';
import type { Exposure } from './process-group.ts';
import type { Death } from './sync/suspicion.ts';

/** How the command itself ended, as the system tells. */
export interface LeaderExit {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * What is sent to the command so that it ends. Who has it sent may send the same to all of the command as well, while it is still looked
 * whom that may interrupt. Times are milliseconds since 1970.
 */
export interface Asked {
  signal: 'SIGTERM' | 'SIGINT';
  /** When the look began by which the exposure is known. */
  lookedAt: number;
  /** Undefined until the signal was sent from here. */
  sentAt: number | undefined;
  exposure: Exposure;
}

/** Signals that no program lives to tell of, and so none exits with the code by which a shell tells that its program died of one. */
const DEADLY = (['SIGILL', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV'] as const).map(
  (name) => systemConstants.signals[name],
);

/**
 * When the command died, if it did. Of the codes above 128, by which a shell tells of what its program died, most are also what
 * programs exit with by themselves, as after SIGTERM (143) when everything is saved. So the signal that was sent here, and its code,
 * mean: who had no handler died by the time at which it was sent, which matters if he was writing, and whatever was written after that somebody lived to
 * write. Any other code is that of an end in order. `killedAt`: when everything was sent SIGKILL here, in milliseconds since 1970: of that death
 * the system tells only when all memory is given back.
 */
export function deathsOf(
  { exitCode, signal }: LeaderExit,
  asked: Asked | undefined,
  killedAt: number | undefined,
): Death[] {
  if (asked !== undefined && (signal === asked.signal || exitCode === 128 + systemConstants.signals[asked.signal])) {
    return [deathOf(asked, Date.now())];
  }
  const isDead = signal !== null || DEADLY.some((number) => exitCode === 128 + number);
  if (!isDead) return [];
  const death = { from: killedAt ?? Date.now(), until: Date.now() };
  return asked === undefined ? [death] : [deathOf(asked, death.until), death];
}

/** The deaths that there may be of a command of which nobody knows yet how it ended, or whether. */
export function dangersOf(asked: Asked | undefined, killedAt: number | undefined): Death[] {
  const killed = killedAt === undefined ? [] : [{ from: killedAt, until: Infinity }];
  return asked === undefined ? killed : [deathOf(asked, Infinity), ...killed];
}

/** Where nobody was writing when it was looked, somebody may have begun before the signal came. What was not `sent` from here came by then. */
function deathOf({ lookedAt: from, sentAt, exposure }: Asked, sent: number): Death {
  const until = sentAt ?? sent;
  return exposure.writes ? { from, until } : { from, until, begun: { since: from, mayBeHeirs: exposure.isGuarded } };
}
