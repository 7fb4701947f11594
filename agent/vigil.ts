/** Notices that this process was frozen: stopped by a signal, starved, or on a machine that was suspended. */
export interface Vigil {
  /** Looks at the clocks now, and tells every watcher before it returns. */
  look(): void;
  /** `onLook` is called with each look, and told whether the time since the one before was a freeze. Returns what ends it. */
  watch(onLook: (wasFrozen: boolean) => void): () => void;
  stop(): void;
}

/** A moment on two clocks, in milliseconds. */
export interface Moment {
  /** Never goes back, and stands still while the machine is suspended. */
  monotonic: number;
  /** May be set, and goes on while the machine is suspended. */
  wall: number;
}

const LOOK_EVERY_MS = 250;
const FREEZE_MS = 2000;
/** Work delays a look, and both clocks show it. They part only when the machine was suspended, or somebody set the clock. */
const SUSPENSION_MS = 500;

/** Looks four times a second, and whenever it is asked to, until it is stopped. Does not keep the process alive. */
export function keepVigil(now: () => Moment = presentMoment): Vigil {
  const watchers = new Set<(wasFrozen: boolean) => void>();
  let last = now();
  const look = () => {
    const present = now();
    const wasFrozen = isFreeze(last, present);
    last = present;
    for (const onLook of watchers) onLook(wasFrozen);
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return {
    look,
    watch(onLook) {
      watchers.add(onLook);
      return () => void watchers.delete(onLook);
    },
    stop: () => clearInterval(timer),
  };
}

/** Whether what lies between two looks, which should follow each other quickly, is a time in which nothing ran here. Pure. */
export function isFreeze(before: Moment, after: Moment): boolean {
  const monotonic = after.monotonic - before.monotonic;
  const wall = after.wall - before.wall;
  return monotonic > FREEZE_MS || wall - monotonic > SUSPENSION_MS;
}

function presentMoment(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}
