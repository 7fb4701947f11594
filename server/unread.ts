/** Something that is answered over, and holds what of that nobody has read yet. */
export interface Answered {
  unreadBytes(): number;
  end(): void;
}

/** Bounds what all answers that nobody reads hold together, over whatever they are sent. */
export interface Unread {
  /** Counts what this one holds. @returns when it is over */
  watch(answered: Answered): () => void;
}

/** How often that is looked at, in milliseconds: in between, one process can not make much more. */
const LOOK_EVERY_MS = 250;

/**
 * Ends, when all together hold too much, those first of which nothing was read for the longest. What waits for something to tell holds
 * nothing, and may wait.
 * @param mostBytes that all together may hold
 */
export function createUnread(mostBytes: number): Unread {
  const open = new Map<Answered, Standing>();
  let timer: NodeJS.Timeout | undefined;

  const look = (): void => {
    let sum = 0;
    const now = performance.now();
    for (const [answered, standing] of open) {
      const bytes = answered.unreadBytes();
      sum += bytes;
      // More is no sign of a reader: who reads nothing, and has a little more sent all the time, would be taken for the liveliest.
      if (bytes === 0 || bytes < standing.bytes) standing.since = now;
      standing.bytes = bytes;
    }
    if (sum <= mostBytes) return;
    const stuck = [...open].filter(([, { bytes }]) => bytes > 0).sort(([, one], [, other]) => one.since - other.since);
    for (const [answered, { bytes }] of stuck) {
      if (sum <= mostBytes) return;
      answered.end();
      sum -= bytes;
    }
  };

  return {
    watch(answered) {
      open.set(answered, { bytes: 0, since: performance.now() });
      timer ??= setInterval(look, LOOK_EVERY_MS).unref();
      return () => {
        open.delete(answered);
        if (open.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}

interface Standing {
  bytes: number;
  /** When that was last less than before, or nothing. */
  since: number;
}
