import { messageOf } from '../lib/errors.ts';
import type { Bodies, Reading } from './bodies.ts';
import { cut, TRY_AGAIN_LATER, type Connection } from './socket-door.ts';

/** So much is read of somebody who has not said who it is: it has nothing to say that is long. */
const MAX_UNKNOWN_BYTES = 65_536;
/** What a control frame of a client has beside its payload. */
const FRAME_BYTES = 6;

/**
 * Counts what has come over a socket of a message whose end has not: a client may send the frames of one as slowly as it likes. Beyond the
 * bounds the socket is closed, to come again later, and nothing more is read from it.
 */
export function boundUnfinished(extra: Connection, bodies: Bodies): void {
  const { socket, connection } = extra;
  let unknown = 0;
  let reading: Reading | undefined;
  const count = (chunk: Buffer): void => {
    if (reading === undefined && extra.accountId !== undefined) reading = bodies.begin(extra.accountId);
    if (reading === undefined) {
      unknown += chunk.length;
      if (unknown > MAX_UNKNOWN_BYTES) connection.destroy();
      return;
    }
    try {
      reading.add(chunk.length);
    } catch (error) {
      connection.off('data', count);
      socket.close(TRY_AGAIN_LATER, cut(messageOf(error)));
      // Without its answer to that, the library hangs up after a while.
      connection.pause();
    }
  };
  const withoutControl = (data: Buffer): void => reading?.add(-data.length - FRAME_BYTES);
  // Before the library reads it: the end of a message may be in it.
  connection.prependListener('data', count);
  socket.on('message', () => reading?.end());
  socket.on('ping', withoutControl).on('pong', withoutControl);
  socket.on('close', () => {
    connection.off('data', count);
    reading?.end();
  });
}
