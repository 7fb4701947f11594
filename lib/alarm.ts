/** Calls at each of the times that it was set to. */
export interface Alarm {
  /** In so many milliseconds, or up to `GRID_MS` later, together with what else is due then. */
  setIn(millis: number): void;
  stop(): void;
}

/** Times that lie so close together are one, so that there are never more timers than the time ahead has room for. */
const GRID_MS = 20;

export function createAlarm(ring: () => void): Alarm {
  const timers = new Map<number, NodeJS.Timeout>();
  return {
    setIn(millis) {
      const now = performance.now();
      const slot = Math.ceil((now + millis) / GRID_MS);
      if (timers.has(slot)) return;
      const timer = setTimeout(
        () => {
          timers.delete(slot);
          ring();
        },
        slot * GRID_MS - now,
      );
      timers.set(slot, timer);
    },
    stop() {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
