import { anyOf } from './signals.ts';

/**
 * Waits for something, but not for long, and not for somebody who has gone.
 * @param options.ms how long, in milliseconds
 * @param options.tooLate the reason of the signal that `wait` is handed, when the time is over
 */
export async function withPatience<Result>(
  { ms, tooLate, gone }: { ms: number; tooLate: () => Error; gone: AbortSignal | undefined },
  wait: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(tooLate()), ms);
  try {
    return await wait(gone === undefined ? patience.signal : anyOf(patience.signal, gone));
  } finally {
    clearTimeout(timer);
  }
}
