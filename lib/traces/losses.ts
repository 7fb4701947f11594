/** Tells of spans that are lost: soon, so that a burst is one line, and at most once a minute, as a collector may be away for long. */
export interface Losses {
  /** The collector did not take so many, for a reason in words without secrets. */
  unsent(count: number, reason: string): void;
  /** One found no place among those that wait. */
  dropped(): void;
  /** Tells at once of what has not been told. */
  tell: () => void;
}

const GATHER_MS = 1_000;
const TELL_AT_MOST_EVERY_MS = 60_000;

/** @param most how many spans may wait */
export function createLosses(most: number, onTrouble: (reason: string) => void): Losses {
  let [unsent, dropped, reason] = [0, 0, ''];
  let toldAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const losses: Losses = {
    unsent(count, why) {
      [unsent, reason] = [unsent + count, why];
      tellSoon();
    },
    dropped() {
      dropped += 1;
      tellSoon();
    },
    tell() {
      clearTimeout(timer);
      timer = undefined;
      const parts = [
        ...(unsent > 0 ? [`${unsent} could not be sent: ${reason}`] : []),
        ...(dropped > 0 ? [`${dropped} found no place, as ${most} were waiting (OTEL_BSP_MAX_QUEUE_SIZE)`] : []),
      ];
      if (parts.length === 0) return;
      toldAt = performance.now();
      const lost = unsent + dropped;
      [unsent, dropped] = [0, 0];
      onTrouble(`Spans are lost, ${lost} of them; ${parts.join('; ')}`);
    },
  };
  function tellSoon(): void {
    const waitMs = Math.max(GATHER_MS, toldAt + TELL_AT_MOST_EVERY_MS - performance.now());
    timer ??= setTimeout(losses.tell, waitMs).unref();
  }
  return losses;
}
