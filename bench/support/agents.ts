import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import {
  AgentSignalsDocument,
  ClaimJobDocument,
  CompleteAttemptDocument,
  HeartbeatDocument,
  RegisterAgentDocument,
  type TypedDocumentString,
} from '../../agent/generated/graphql.ts';
import { jittered } from '../../lib/backoff.ts';
import { createLatch } from '../../lib/latch.ts';

/** What a process of agents is told, and tells. Times are in milliseconds since 1970, of one machine's clock. */
export type Order = { is: 'OPEN'; wanted: Wanted } | { is: 'REPORT' };
export type Answer = { is: 'DONE' } | { is: 'REPORT'; tally: Tally };

export interface Wanted {
  urls: string[];
  key: string;
  group: string;
  count: number;
  /** Whether they keep the job that they get; else they complete it at once, and are idle again. */
  isBusy: boolean;
}

/** What has happened since the last report. */
export interface Tally {
  /** How long heartbeats took, in milliseconds. */
  heartbeats: number[];
  /** When work was announced to some agent. */
  wakes: number[];
  /** Jobs that were claimed. */
  claims: { jobId: string; askedAt: number; gotAt: number }[];
  /** Questions for work that were answered with nothing. */
  inVain: number;
  /** Operations that the server could not do just then, and that were asked for again. */
  failed: number;
  /** Sockets that the server, or the network, has ended. */
  cut: number;
  /** How late this process itself was, at p99, in milliseconds: what it measures may be late by as much. */
  lateMs: number;
}

/** Opened at a time: more, and the server's queue of connections overflows. */
const AT_ONCE = 25;
const PING_MS = 2_000;
const AGAIN_MS = 1_000;

/** The clock by which lateness is measured. */
const CLOCK_MS = 10;
const lateness = monitorEventLoopDelay({ resolution: CLOCK_MS });

/** A process of its own, so that the server's costs are the server's alone. */
function main(): void {
  const book = { tally: emptyTally() };
  lateness.enable();
  process.on('message', (order: Order) => void obey(order, book).then((answer) => process.send?.(answer)));
}

/** Where all agents of this process write down what happens to them. */
interface Book {
  tally: Tally;
}

async function obey(order: Order, book: Book): Promise<Answer> {
  switch (order.is) {
    case 'OPEN':
      for (let from = 0; from < order.wanted.count; from += AT_ONCE) {
        const some = Math.min(AT_ONCE, order.wanted.count - from);
        await Promise.all(Array.from({ length: some }, (_, n) => beginAgent(order.wanted, from + n, book)));
      }
      return { is: 'DONE' };
    case 'REPORT': {
      const tally = { ...book.tally, lateMs: Math.max(0, lateness.percentile(99) / 1e6 - CLOCK_MS) };
      book.tally = emptyTally();
      lateness.reset();
      return { is: 'REPORT', tally };
    }
  }
}

function emptyTally(): Tally {
  return { heartbeats: [], wakes: [], claims: [], inVain: 0, failed: 0, cut: 0, lateMs: 0 };
}

/** An agent that speaks as ours do, without a command to run. Resolves when it is watched, and asks for work from then on. */
async function beginAgent(wanted: Wanted, index: number, book: Book): Promise<void> {
  const url = wanted.urls[index % wanted.urls.length] ?? '';
  const wire = await openWire(url, wanted.key, book);
  const machine = `${wanted.group}-${process.pid}-${index}`;
  const input = { machineId: machine, containerGroupId: wanted.group, sessionId: randomUUID() };
  const { registerAgent } = await wire.ask(RegisterAgentDocument, { input });
  if (registerAgent.__typename !== 'Agent') throw new Error(`No agent was registered: ${registerAgent.message}`);
  const agentId = registerAgent.id;
  const wake = createLatch();
  const greeted = Promise.withResolvers<undefined>();
  let isGreeted = false;
  wire.follow(AgentSignalsDocument, { agentId, connection: 1 }, ({ agentSignals }) => {
    // The first one is no news of work, but that the connection is watched.
    if (isGreeted && agentSignals.type === 'WORK_AVAILABLE') book.tally.wakes.push(now());
    isGreeted = true;
    greeted.resolve(undefined);
    wake.set();
  });
  await greeted.promise;
  void work({ wire, agentId, wake, book, isBusy: wanted.isBusy });
}

interface Worker {
  wire: Wire;
  agentId: string;
  wake: ReturnType<typeof createLatch>;
  book: Book;
  isBusy: boolean;
}

async function work({ wire, agentId, wake, book, isBusy }: Worker): Promise<void> {
  for (;;) {
    wake.clear();
    const askedAt = now();
    const { claimJob } = await wire.ask(ClaimJobDocument, {
      input: { agentId, claimId: randomUUID() },
    });
    if (claimJob.__typename === 'NoWork') {
      book.tally.inVain += 1;
      await wake.wait(jittered(claimJob.retryAfterMillis));
      continue;
    }
    if (claimJob.__typename !== 'Claim') throw new Error(`No work was asked for: ${claimJob.message}`);
    const lease = { jobId: claimJob.job.id, attempt: claimJob.attempt.number };
    book.tally.claims.push({ jobId: lease.jobId, askedAt, gotAt: now() });
    await wire.ask(HeartbeatDocument, { input: { ...lease, phase: 'RUNNING' } });
    if (isBusy) {
      keepAlive(wire, lease, claimJob.leaseMillis, book);
      return;
    }
    await wire.ask(CompleteAttemptDocument, { input: lease });
  }
}

/** As often as agents do whose connection is watched; the first after a part of that, so that not all beat at once. */
function keepAlive(wire: Wire, input: { jobId: string; attempt: number }, leaseMillis: number, book: Book): void {
  const everyMs = leaseMillis / 3;
  const beat = async (): Promise<void> => {
    const sentAt = now();
    const { heartbeat } = await wire.ask(HeartbeatDocument, { input });
    if (heartbeat.__typename !== 'Lease') throw new Error(`A lease was lost: ${heartbeat.message}`);
    book.tally.heartbeats.push(now() - sentAt);
  };
  setTimeout(() => setInterval(() => void beat(), everyMs), Math.random() * everyMs);
}

/** One socket of graphql-transport-ws. */
interface Wire {
  ask<Data, Variables>(document: TypedDocumentString<Data, Variables>, variables: Variables): Promise<Data>;
  follow<Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    variables: Variables,
    onNext: (data: Data) => void,
  ): void;
}

async function openWire(url: string, key: string, book: Book): Promise<Wire> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const listeners = new Map<string, (message: Message) => void>();
  const letIn = Promise.withResolvers<undefined>();
  const say = (message: object): void => socket.send(JSON.stringify(message));
  // As the agents' client does: the next ping when the last one was answered.
  const pingSoon = (): void => void setTimeout(() => say({ type: 'ping' }), PING_MS);
  let ids = 0;
  const begin = (document: { toString(): string }, variables: unknown, heed: (message: Message) => void): void => {
    const id = String(++ids);
    listeners.set(id, heed);
    say({ id, type: 'subscribe', payload: { query: document.toString(), variables } });
  };
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Message;
    if (message.type === 'pong') pingSoon();
    else if (message.type === 'connection_ack') letIn.resolve(undefined);
    else if (message.id !== undefined) listeners.get(message.id)?.(message);
    if (message.type === 'complete' && message.id !== undefined) listeners.delete(message.id);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => (book.tally.cut += 1));
  await once(socket, 'open');
  say({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } });
  await letIn.promise;
  pingSoon();
  return {
    async ask(document, variables) {
      for (;;) {
        const { payload } = await new Promise<Message>((resolve) => begin(document, variables, resolve));
        // What comes is what the document asked for: the server holds to its schema.
        if (payload?.data !== undefined && payload.data !== null) return payload.data as never;
        book.tally.failed += 1;
        await delay(AGAIN_MS);
      }
    },
    follow(document, variables, onNext) {
      const followAnew = (): void =>
        begin(document, variables, ({ type, payload }) => {
          if (type === 'next' && payload?.data !== undefined && payload.data !== null) {
            onNext(payload.data as never);
          } else {
            book.tally.failed += 1;
            setTimeout(followAnew, AGAIN_MS);
          }
        });
      followAnew();
    },
  };
}

interface Message {
  id?: string;
  type: string;
  payload?: { data?: unknown; errors?: unknown };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

if (import.meta.main) main();
