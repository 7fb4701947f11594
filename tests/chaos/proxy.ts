import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { isAborted, pause } from '../../lib/pause.ts';
import { listenLocally } from '../../lib/port.ts';

/**
 * How the line is. `HELD` is half-open: connections stay, and nothing passes until the line is better; then everything that was on its
 * way arrives, late. What a side has reset is not on its way any more.
 */
export type Line =
  { is: 'OPEN' } | { is: 'CUT' } | { is: 'HELD' } | { is: 'SLOW'; delayMs: number; bytesPerSecond: number };

/** A line between one agent and one peer: TCP that a test can disturb. */
export interface Link {
  port: number;
  set(line: Line): void;
  close(): Promise<void>;
}

/** Above it the network takes no more until some has arrived. */
const ON_THE_WAY_BYTES = 4 * 2 ** 20;

/** @param upstream the port to connect to, asked for each connection; undefined: nobody is there */
export async function openLink(upstream: () => number | undefined): Promise<Link> {
  let line: Line = { is: 'OPEN' };
  let changed = new AbortController();
  const sockets = new Set<Socket>();

  const server = createServer({ allowHalfOpen: true }, (near) => {
    const port = upstream();
    if (line.is === 'CUT' || port === undefined) {
      near.on('error', () => undefined);
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    carry(near, far, passage);
    carry(far, near, passage);
  });
  const own = await listenLocally(server);

  /** Waits as long as the line needs for so many bytes. */
  async function passage(bytes: number): Promise<void> {
    for (;;) {
      const present = changed.signal;
      if (line.is === 'OPEN' || line.is === 'CUT') return;
      await pause(line.is === 'HELD' ? Infinity : line.delayMs + (bytes * 1_000) / line.bytesPerSecond, present);
      if (!isAborted(present)) return;
    }
  }

  return {
    port: own,
    set(next) {
      line = next;
      if (next.is === 'CUT') for (const socket of sockets) socket.resetAndDestroy();
      changed.abort();
      changed = new AbortController();
    },
    async close() {
      // Whoever waits for a better line is let go.
      line = { is: 'CUT' };
      for (const socket of sockets) socket.destroy();
      changed.abort();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Carries one direction, in order. An end is carried too, after the data; a reset at once, and what was on its way is lost. */
function carry(from: Socket, to: Socket, passage: (bytes: number) => Promise<void>): void {
  const way = new Transform({
    highWaterMark: ON_THE_WAY_BYTES,
    transform: (chunk: Buffer, _encoding, done) => void passage(chunk.length).then(() => done(null, chunk)),
    flush: (done) => void passage(0).then(() => done()),
  });
  from.pipe(way).pipe(to);
  from.on('error', () => to.resetAndDestroy());
  from.on('close', () => {
    if (!from.readableEnded) to.destroy();
  });
}
