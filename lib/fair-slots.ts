import { createTurns, type Lane } from './turns.ts';

export type { Lane };

/** Few places at a time, for which groups take turns, and in a group its lanes: a long queue in one lane holds up no other. */
export interface FairSlots {
  /**
   * Waits for a place, within a lane first come, first served. Rejects with the reason of a signal that is aborted before.
   * @throws what `crowded` makes, at once, when too many wait in the lane
   */
  hold<T>(lane: Lane, signal: AbortSignal, task: () => Promise<T>): Promise<T>;
  /**
   * As `hold`, for who gives the place back by calling what this resolves to, once.
   * @param how.isPatient waits however many wait in the lane: whoever says so bounds them
   */
  take(lane: Lane, signal: AbortSignal, how?: { isPatient: boolean }): Promise<() => void>;
  /** A place for who would not have to wait, to be given back as one of `take`; undefined where one would. */
  takeFree(lane: Lane): (() => void) | undefined;
}

/**
 * @param options.atOnce how many places there are
 * @param options.mostOfGroup so many of them one group may have at a time (all)
 * @param options.mostWaiting so many may wait in one lane
 */
export function createFairSlots(options: {
  atOnce: number;
  mostOfGroup?: number;
  mostWaiting: number;
  crowded: () => Error;
}): FairSlots {
  const { atOnce, mostOfGroup = atOnce, mostWaiting, crowded } = options;
  const waiting = createTurns<() => void>();
  const held = createTally();

  const hasRoom = (group: string): boolean => held.all() < atOnce && held.of(group) < mostOfGroup;
  const place = ({ group }: Lane): (() => void) => {
    held.add(group, 1);
    return () => {
      held.add(group, -1);
      const [enter] = waiting.next(undefined, hasRoom);
      enter?.();
    };
  };
  const takeFree = (lane: Lane): (() => void) | undefined => (hasRoom(lane.group) ? place(lane) : undefined);
  const take: FairSlots['take'] = async (lane, signal, { isPatient } = { isPatient: false }) => {
    signal.throwIfAborted();
    // Who waits beside a free place is of a group that has all it may have.
    const free = takeFree(lane);
    if (free !== undefined) return free;
    if (!isPatient && waiting.count(lane) >= mostWaiting) throw crowded();
    const turn = Promise.withResolvers<() => void>();
    const enter = (): void => turn.resolve(place(lane));
    const leave = (): void => {
      if (waiting.remove(lane, enter)) turn.reject(signal.reason);
    };
    waiting.add(lane, enter);
    signal.addEventListener('abort', leave, { once: true });
    return turn.promise.finally(() => signal.removeEventListener('abort', leave));
  };

  return {
    take,
    takeFree,
    async hold(lane, signal, task) {
      const giveBack = await take(lane, signal);
      try {
        return await task();
      } finally {
        giveBack();
      }
    },
  };
}

/** Who has how many; a name is there only while it has some. */
function createTally() {
  const counts = new Map<string, number>();
  let all = 0;
  return {
    all: (): number => all,
    of: (name: string): number => counts.get(name) ?? 0,
    add(name: string, more: number): void {
      const count = (counts.get(name) ?? 0) + more;
      all += more;
      if (count === 0) counts.delete(name);
      else counts.set(name, count);
    },
  };
}
