import { once } from 'node:events';
import { WebSocket } from 'ws';

/** What is followed of a job: every event after a cursor, or its state, coalesced to the latest. */
export type Kind = { is: 'EVENTS'; after: string } | { is: 'STATES' };

/** What a process of followers is told, and tells. Times are in milliseconds since 1970, of one machine's clock. */
export type Order =
  /** So many followers of each job, by turns at each of the servers. */
  | { is: 'OPEN'; urls: string[]; key: string; jobIds: string[]; followers: number }
  | { is: 'FOLLOW'; kind: Kind }
  | { is: 'PAUSE'; sockets: number }
  | { is: 'REPORT' };

/** The number that a change bears, the event's `seq` (of a state 0), and when it was received. */
export type Received = [n: number, seq: number, at: number];

export interface Report {
  jobId: string;
  paused: boolean;
  /** Whether the server has hung up. */
  isCut: boolean;
  received: Received[];
}
export type Answer = { is: 'DONE' } | { is: 'REPORT'; reports: Report[] };

interface Follower extends Report {
  socket: WebSocket;
  /** Called with each message; replaced when something else is awaited. */
  onMessage: (text: string, at: number) => void;
}

/** Opened at a time: more, and the server's queue of connections overflows. */
const AT_ONCE = 50;

/** A process of its own, so that the server's costs are the server's alone. What was received since the last report is its report. */
function main(): void {
  const all: Follower[] = [];
  process.on('message', (order: Order) => void obey(order).then((answer) => process.send?.(answer)));

  async function obey(order: Order): Promise<Answer> {
    switch (order.is) {
      case 'OPEN':
        await inTurns(placesOf(order), async ({ jobId, url }) => void all.push(await open(url, order.key, jobId)));
        return { is: 'DONE' };
      case 'FOLLOW':
        await inTurns(
          all.filter(({ paused, isCut }) => !paused && !isCut),
          (follower) => follow(follower, order.kind),
        );
        return { is: 'DONE' };
      case 'PAUSE':
        for (const one of all.slice(0, order.sockets)) {
          one.paused = true;
          one.socket.pause();
        }
        return { is: 'DONE' };
      case 'REPORT':
        return {
          is: 'REPORT',
          reports: all.map(({ jobId, paused, isCut, received }) => ({
            ...{ jobId, paused, isCut },
            received: received.splice(0),
          })),
        };
    }
  }
}

/** Whom each socket is to follow, and at which server. */
function placesOf({ urls, jobIds, followers }: Extract<Order, { is: 'OPEN' }>): { jobId: string; url: string }[] {
  const ids = jobIds.flatMap((id) => Array<string>(followers).fill(id));
  return ids.flatMap((jobId, index) =>
    urls.slice(index % urls.length, (index % urls.length) + 1).map((url) => ({ jobId, url })),
  );
}

async function inTurns<One>(all: readonly One[], work: (one: One) => Promise<void>): Promise<void> {
  for (let from = 0; from < all.length; from += AT_ONCE) await Promise.all(all.slice(from, from + AT_ONCE).map(work));
}

/** One socket that is let in. */
async function open(url: string, key: string, jobId: string): Promise<Follower> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const letIn = Promise.withResolvers<undefined>();
  const onMessage = (): void => letIn.resolve(undefined);
  const follower: Follower = { jobId, paused: false, isCut: false, received: [], socket, onMessage };
  await once(socket, 'open');
  socket.on('error', () => undefined);
  socket.on('close', () => (follower.isCut = true));
  socket.on('message', (data: Buffer) => {
    const at = performance.timeOrigin + performance.now();
    follower.onMessage(data.toString(), at);
  });
  socket.send(JSON.stringify({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } }));
  await letIn.promise;
  return follower;
}

const queries = {
  EVENTS: `subscription ($id: ID!, $after: Cursor) {
    jobEvents(after: $after, filter: { ids: [$id] }) { ... on JobEvent { seq type attempt data } } }`,
  STATES: 'subscription ($id: ID!) { jobUpdated(id: $id) { status statusReason progress { fraction } } }',
} as const satisfies Record<Kind['is'], string>;

/** Follows the socket's job, instead of what it has followed before. Resolves with what is told first. */
async function follow(follower: Follower, kind: Kind): Promise<void> {
  const { socket, jobId } = follower;
  const told = Promise.withResolvers<undefined>();
  follower.onMessage = (text, at) => {
    try {
      const found = read(text, kind);
      if (found === undefined) return;
      follower.received.push([...found, at]);
      told.resolve(undefined);
    } catch (error) {
      told.reject(error);
    }
  };
  const variables = { id: jobId, after: kind.is === 'EVENTS' ? kind.after : undefined };
  for (const is of Object.keys(queries)) {
    if (is !== kind.is) socket.send(JSON.stringify({ id: is, type: 'complete' }));
  }
  socket.send(JSON.stringify({ id: kind.is, type: 'subscribe', payload: { query: queries[kind.is], variables } }));
  await told.promise;
}

/**
 * A change's number and `seq`, where the message tells of one.
 * @throws where the server refuses to tell
 */
function read(text: string, kind: Kind): [n: number, seq: number] | undefined {
  const { id, type, payload } = JSON.parse(text) as Message;
  if (id === kind.is && type === 'error') throw new Error(`Expected to follow a job, got ${text}`);
  if (id !== kind.is || type !== 'next') return undefined;
  const { jobEvents: event, jobUpdated: state } = payload.data;
  if (event !== undefined) return event.type === 'WARNED' ? [Number(event.data.message), event.seq] : undefined;
  return [Number(state?.statusReason ?? 0), 0];
}

interface Message {
  id?: string;
  type: string;
  payload: {
    data: {
      jobEvents?: { seq: number; type: string; data: { message: string } };
      jobUpdated?: { statusReason: string | null };
    };
  };
}

if (import.meta.main) main();
