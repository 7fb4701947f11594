import { once } from 'node:events';
import { WebSocket } from 'ws';

/** What a process of followers is told, and tells. Times are in milliseconds since 1970, of one machine's clock. */
export type Order =
  | { is: 'FOLLOW'; url: string; key: string; jobIds: string[]; followers: number }
  | { is: 'PAUSE'; sockets: number }
  | { is: 'REPORT' };
/** The number that a state bears (0: none yet), and when it was received, by follower. */
export interface Report {
  jobId: string;
  paused: boolean;
  /** Whether the server has hung up. */
  isCut: boolean;
  states: [n: number, at: number][];
}
export type Answer = { is: 'FOLLOWING' } | { is: 'PAUSED' } | { is: 'REPORT'; reports: Report[] };

interface Follower extends Report {
  socket: WebSocket;
}

/** Opened at a time: more, and the server's queue of connections overflows. */
const AT_ONCE = 50;

/** A process of its own, so that the server's costs are the server's alone. Its states since the last report are its report. */
function main(): void {
  const all: Follower[] = [];
  process.on('message', (order: Order) => void obey(order).then((answer) => process.send?.(answer)));

  async function obey(order: Order): Promise<Answer> {
    switch (order.is) {
      case 'FOLLOW': {
        const wanted = order.jobIds.flatMap((id) => Array<string>(order.followers).fill(id));
        for (let from = 0; from < wanted.length; from += AT_ONCE) {
          const some = wanted.slice(from, from + AT_ONCE);
          all.push(...(await Promise.all(some.map((jobId) => follow(order.url, order.key, jobId)))));
        }
        return { is: 'FOLLOWING' };
      }
      case 'PAUSE':
        for (const one of all.slice(0, order.sockets)) {
          one.paused = true;
          one.socket.pause();
        }
        return { is: 'PAUSED' };
      case 'REPORT':
        return {
          is: 'REPORT',
          reports: all.map((one) => {
            const { jobId, paused, isCut } = one;
            return { jobId, paused, isCut, states: one.states.splice(0) };
          }),
        };
    }
  }
}

/** One socket that follows one job, and has its present state. */
async function follow(url: string, key: string, jobId: string): Promise<Follower> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const follower: Follower = { jobId, paused: false, isCut: false, states: [], socket };
  await once(socket, 'open');
  socket.on('error', () => undefined);
  socket.on('close', () => (follower.isCut = true));
  socket.send(JSON.stringify({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } }));
  await new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      const at = performance.timeOrigin + performance.now();
      const message = JSON.parse(data.toString()) as Message;
      if (message.type === 'connection_ack') {
        const query = 'subscription ($id: ID!) { jobUpdated(id: $id) { status progress { fraction } } }';
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { id: jobId } } }));
      } else if (message.type === 'next') {
        follower.states.push([numberIn(message.payload?.data.jobUpdated.progress?.fraction ?? 0), at]);
        resolve();
      }
    });
  });
  return follower;
}

interface Message {
  type: string;
  payload?: { data: { jobUpdated: { progress: { fraction: number } | null } } };
}

/** A job's changes are numbered by the fraction that it says it has done. */
const LAST = 10_000;
export function fractionOf(n: number): number {
  return n / LAST;
}
function numberIn(fraction: number): number {
  return Math.round(fraction * LAST);
}

if (import.meta.main) main();
