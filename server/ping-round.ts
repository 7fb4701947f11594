import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

/** How often is asked whether the other side is still there, in milliseconds, where nothing comes from it by itself. */
export interface Pings {
  agentsMs: number;
  /** Of all others, of whom there may be many: a ping costs as much as something told. */
  othersMs: number;
}

export const pings: Pings = Object.freeze({ agentsMs: 2_000, othersMs: 10_000 });

export interface PingRound {
  /**
   * Watches a socket. One that is silent for a little longer than the time of its kind is pinged, and ended when it is silent for that
   * time from the ping on: whoever is slow, but there, has all of it for its answer. Whoever pings by itself that often, as agents do, is
   * never asked.
   * @param connection what the socket runs on
   * @param isAgents whether an agent is told its signals there: how soon its end is noticed is how soon others may have its jobs
   * @returns ends the watching
   */
  watch(socket: WebSocket, connection: Socket, isAgents: () => boolean): () => void;
}

interface Watched {
  socket: WebSocket;
  isAgents: () => boolean;
  /** Whether something has come since the last look. To be told costs less than to ask the connection eight times for each message. */
  isHeard: boolean;
  unread: number;
  /** How many looks have found nothing new, one after another: since the ping, once there was one. */
  silent: number;
  isAsked: boolean;
}

/** Silence is counted in looks, so many to the time after which is asked: a server that was busy has looked less, and blames nobody. */
const LOOKS = 8;
/** A ping that comes by itself once in that time may be late by so much. */
const LATE_LOOKS = 1;

/** One timer for all sockets of a server. */
export function createPingRound({ agentsMs, othersMs }: Pings): PingRound {
  const all = new Set<Watched>();
  const everyMs = Math.min(agentsMs, othersMs) / LOOKS;
  const looksOf = ({ isAgents }: Watched): number => Math.round((isAgents() ? agentsMs : othersMs) / everyMs);
  const look = (): void => {
    for (const one of all) lookAt(one, looksOf(one));
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    watch(socket, connection, isAgents) {
      const watched = { socket, isAgents, isHeard: true, unread: 0, silent: 0, isAsked: false };
      const hear = (): void => void (watched.isHeard = true);
      connection.on('data', hear);
      all.add(watched);
      // Once what has arrived is read: it would be taken for silence.
      timer ??= setInterval(() => setImmediate(look), everyMs);
      return () => {
        connection.off('data', hear);
        all.delete(watched);
        if (all.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}

/** While a socket is paused nothing is read: then that its answers leave is the sign of life. */
function lookAt(one: Watched, looks: number): void {
  const { socket } = one;
  if (socket.readyState !== socket.OPEN) return;
  const unread = socket.isPaused ? socket.bufferedAmount : 0;
  const isAlive = one.isHeard || unread < one.unread;
  one.isHeard = false;
  one.unread = unread;
  one.silent = isAlive ? 0 : one.silent + 1;
  one.isAsked &&= !isAlive;
  if (one.isAsked) {
    if (one.silent >= looks) socket.terminate();
  } else if (one.silent >= looks + LATE_LOOKS) {
    socket.ping();
    one.isAsked = true;
    one.silent = 0;
  }
}
