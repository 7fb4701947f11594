/** Whose queue one waits in: lanes of the same group share that group's turns. */
export interface Lane {
  group: string;
  name: string;
}

/** Few places at a time, for which groups take turns, and in a group its lanes: a long queue in one lane holds up no other. */
export interface FairSlots {
  /**
   * Waits for a place, within a lane first come, first served. Rejects with the reason of a signal that is aborted before.
   * @throws what `crowded` makes, at once, when too many wait in the lane
   */
  hold<T>(lane: Lane, signal: AbortSignal, task: () => Promise<T>): Promise<T>;
}

/**
 * @param options.atOnce how many places there are
 * @param options.mostWaiting so many may wait in one lane
 */
export function createFairSlots(options: { atOnce: number; mostWaiting: number; crowded: () => Error }): FairSlots {
  const queues = createQueues();
  let taken = 0;

  const take = async (lane: Lane, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    // Where a place is free nobody waits: each that is given back goes to the next at once.
    if (taken < options.atOnce) {
      taken += 1;
      return;
    }
    if (queues.count(lane) >= options.mostWaiting) throw options.crowded();
    const turn = Promise.withResolvers<undefined>();
    const enter = (): void => turn.resolve(undefined);
    const leave = (): void => {
      if (queues.remove(lane, enter)) turn.reject(signal.reason);
    };
    queues.add(lane, enter);
    signal.addEventListener('abort', leave, { once: true });
    await turn.promise.finally(() => signal.removeEventListener('abort', leave));
  };
  const giveBack = (): void => {
    const enter = queues.next();
    if (enter === undefined) taken -= 1;
    else enter();
  };

  return {
    async hold(lane, signal, task) {
      await take(lane, signal);
      try {
        return await task();
      } finally {
        giveBack();
      }
    },
  };
}

type Enter = () => void;

/** Who waits, by group and lane; neither is there while nobody does. A map's order is that of the turns: who had one goes behind. */
function createQueues() {
  const groups = new Map<string, Map<string, Set<Enter>>>();
  const queueOf = ({ group, name }: Lane): Set<Enter> | undefined => groups.get(group)?.get(name);
  return {
    count: (lane: Lane): number => queueOf(lane)?.size ?? 0,
    add(lane: Lane, enter: Enter): void {
      const lanes = groups.get(lane.group) ?? new Map<string, Set<Enter>>();
      const queue = lanes.get(lane.name) ?? new Set();
      groups.set(lane.group, lanes.set(lane.name, queue.add(enter)));
    },
    /** @returns whether it still waited */
    remove(lane: Lane, enter: Enter): boolean {
      const lanes = groups.get(lane.group);
      const queue = lanes?.get(lane.name);
      const waited = queue?.delete(enter) ?? false;
      if (queue?.size === 0) lanes?.delete(lane.name);
      if (lanes?.size === 0) groups.delete(lane.group);
      return waited;
    },
    next(): Enter | undefined {
      const [group, lanes] = takeFirst(groups) ?? [];
      if (group === undefined || lanes === undefined) return undefined;
      const [name, queue] = takeFirst(lanes) ?? [];
      const [enter] = queue ?? [];
      if (name === undefined || queue === undefined || enter === undefined) return undefined;
      queue.delete(enter);
      if (queue.size > 0) lanes.set(name, queue);
      if (lanes.size > 0) groups.set(group, lanes);
      return enter;
    },
  };
}

function takeFirst<Value>(map: Map<string, Value>): [string, Value] | undefined {
  const [first] = map;
  if (first !== undefined) map.delete(first[0]);
  return first;
}
