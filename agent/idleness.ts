import { isAborted, pause } from '../lib/pause.ts';

/** Whether this agent has had nothing to do for too long. */
export interface Idleness {
  /** Aborted, for ever, when it has. */
  readonly tooLong: AbortSignal;
  /** From now on there is nothing to do. */
  begin(): void;
  /** There is. */
  end(): void;
}

/** @param limitMs how long is too long, in milliseconds; 0: nothing is */
export function watchIdleness(limitMs: number): Idleness {
  const tooLong = new AbortController();
  let ended = new AbortController();

  async function wait({ signal }: AbortController): Promise<void> {
    await pause(limitMs, signal);
    if (!isAborted(signal)) tooLong.abort();
  }

  return {
    tooLong: tooLong.signal,
    begin() {
      if (limitMs === 0) return;
      ended.abort();
      ended = new AbortController();
      void wait(ended);
    },
    end: () => ended.abort(),
  };
}
