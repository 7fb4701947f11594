/**
 * Does one thing of a name at a time, in the order in which they were asked for; what has different names does not wait for each other, and
 * what comes alone for nothing. One that fails holds up nobody behind it. Nothing is remembered of a name of which nothing is under way.
 * Rejects at once with what `crowded` makes, when too much of that name is under way and waits.
 */
export type InTurn = <Answer>(name: string, work: () => Promise<Answer>) => Promise<Answer>;

interface Queue {
  count: number;
  last: Promise<void>;
}

/** @param options.most so many of one name may be under way and wait, together: those that wait outlive whoever has asked for them */
export function createInTurn({ most, crowded }: { most: number; crowded: () => Error }): InTurn {
  const queues = new Map<string, Queue>();
  return (name, work) => {
    const before = queues.get(name);
    if (before !== undefined && before.count >= most) return Promise.reject(crowded());
    const answered = before === undefined ? work() : before.last.then(work);
    const queue: Queue = { count: (before?.count ?? 0) + 1, last: answered.then(leave, leave) };
    queues.set(name, queue);
    return answered;

    function leave(): void {
      const now = queues.get(name);
      if (now === undefined) return;
      now.count -= 1;
      if (now.count === 0) queues.delete(name);
    }
  };
}
