import type { ServerResponse } from 'node:http';

/** What answers that are not read may cost. */
export interface UnreadBounds {
  /** How long nothing of an answer may be taken, in milliseconds. */
  patienceMs: number;
  /** What all answers together may hold, in bytes. */
  unreadBytes: number;
}

/** How often that is looked at, in milliseconds: in between, one process can not make much more. */
const LOOK_EVERY_MS = 250;

/**
 * Ends answers of which nothing is read, and, when all of them hold too much, those first of which nothing was read for the longest.
 * What waits for something to tell holds nothing, and may wait.
 * @returns watches one more answer
 */
export function createUnreadWatch({ patienceMs, unreadBytes }: UnreadBounds): (response: ServerResponse) => void {
  const open = new Map<ServerResponse, Standing>();
  let timer: NodeJS.Timeout | undefined;

  const look = (): void => {
    let sum = 0;
    for (const [response, standing] of open) {
      const { writableLength } = response;
      sum += writableLength;
      if (writableLength !== standing.unread) open.set(response, { unread: writableLength, since: performance.now() });
    }
    if (sum <= unreadBytes) return;
    const stuck = [...open]
      .filter(([, { unread }]) => unread > 0)
      .sort(([, one], [, other]) => one.since - other.since);
    for (const [response, { unread }] of stuck) {
      if (sum <= unreadBytes) return;
      response.destroy();
      sum -= unread;
    }
  };

  return (response) => {
    open.set(response, { unread: 0, since: performance.now() });
    timer ??= setInterval(look, LOOK_EVERY_MS).unref();
    response.once('close', () => {
      open.delete(response);
      if (open.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    });
    // Counts from whatever last moved on the connection, also a part of what is written at once.
    response.setTimeout(patienceMs, () => {
      if (response.writableLength > 0) response.destroy();
    });
  };
}

interface Standing {
  /** Bytes. */
  unread: number;
  /** When that was another number. */
  since: number;
}
