/** Whose queue one waits in: lanes of the same group share that group's turns. */
export interface Lane {
  group: string;
  name: string;
}

/** Who waits, by group and lane; neither is there while nobody does. */
export interface Turns<Waiting> {
  count(lane: Lane): number;
  add(lane: Lane, one: Waiting): void;
  /** @returns whether it still waited */
  remove(lane: Lane, one: Waiting): boolean;
  /**
   * Takes the first of the lane whose turn it is, and then those behind it as long as they fit: groups take turns, and in a group its lanes.
   * @param fits is told each, the first one too, which is taken whatever it says; without it, one is taken
   * @param mayHave passes over groups whose turn it cannot be; without it, none
   * @returns none when nobody waits, or may have a turn
   */
  next(fits?: (one: Waiting) => boolean, mayHave?: (group: string) => boolean): Waiting[];
}

export function createTurns<Waiting>(): Turns<Waiting> {
  // Either map's order is that of the turns: who had one goes behind.
  const groups = new Map<string, Map<string, Set<Waiting>>>();
  return {
    count: ({ group, name }) => groups.get(group)?.get(name)?.size ?? 0,
    add({ group, name }, one) {
      const lanes = groups.get(group) ?? new Map<string, Set<Waiting>>();
      const queue = lanes.get(name) ?? new Set();
      groups.set(group, lanes.set(name, queue.add(one)));
    },
    remove({ group, name }, one) {
      const lanes = groups.get(group);
      const queue = lanes?.get(name);
      const waited = queue?.delete(one) ?? false;
      if (queue?.size === 0) lanes?.delete(name);
      if (lanes?.size === 0) groups.delete(group);
      return waited;
    },
    next(fits = () => false, mayHave = () => true) {
      for (const [group, lanes] of groups) {
        if (!mayHave(group)) continue;
        for (const [name, queue] of lanes) {
          const taken = takeFrom(queue, fits);
          lanes.delete(name);
          groups.delete(group);
          if (queue.size > 0) lanes.set(name, queue);
          if (lanes.size > 0) groups.set(group, lanes);
          return taken;
        }
      }
      return [];
    },
  };
}

function takeFrom<Waiting>(queue: Set<Waiting>, fits: (one: Waiting) => boolean): Waiting[] {
  const taken: Waiting[] = [];
  for (const one of queue) {
    const isTaken = fits(one) || taken.length === 0;
    if (!isTaken) break;
    taken.push(one);
    queue.delete(one);
  }
  return taken;
}
