import { type Backoff, backoffMillis } from './backoff.ts';
import { isAborted, pause } from './pause.ts';
import { anyOf } from './signals.ts';

export interface Repetition extends Backoff {
  /** Milliseconds after which a try without an answer is given up and repeated. */
  tryMs: number;
  /** Ends the trying. */
  signal: AbortSignal;
  onFailure?: (error: unknown, failures: number) => void;
}

/**
 * Asks until an answer comes, with jittered back-off between tries. Resolves to `undefined` when `signal` ended the
 * trying first; never rejects.
 */
export async function repeatUntilAnswered<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  repetition: Repetition,
): Promise<T | undefined> {
  for (let failures = 0; !repetition.signal.aborted; failures++) {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), repetition.tryMs);
    try {
      return await ask(anyOf(repetition.signal, patience.signal));
    } catch (error) {
      if (isAborted(repetition.signal)) break;
      repetition.onFailure?.(
        patience.signal.aborted ? new Error(`no answer within ${repetition.tryMs} ms`) : error,
        failures + 1,
      );
    } finally {
      clearTimeout(timer);
    }
    await pause(backoffMillis(failures, repetition), repetition.signal);
  }
  return undefined;
}
