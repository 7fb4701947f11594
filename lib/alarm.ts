/** Calls once, at the earliest of the times that it was set to. */
export interface Alarm {
  /** In so many milliseconds at the latest. */
  setIn(millis: number): void;
  stop(): void;
}

export function createAlarm(ring: () => void): Alarm {
  let at = Infinity;
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    clearTimeout(timer);
    at = Infinity;
  };
  return {
    setIn(millis) {
      const wanted = performance.now() + millis;
      if (wanted >= at) return;
      stop();
      at = wanted;
      timer = setTimeout(() => {
        at = Infinity;
        ring();
      }, millis);
    },
    stop,
  };
}
