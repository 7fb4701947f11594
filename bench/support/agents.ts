import { randomUUID } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  AgentSignalsDocument,
  ClaimJobDocument,
  CompleteAttemptDocument,
  HeartbeatDocument,
  RegisterAgentDocument,
} from '../../agent/generated/graphql.ts';
import { jittered } from '../../lib/backoff.ts';
import { createLatch } from '../../lib/latch.ts';
import { createReporter, takeTurns, type Lease, type ReportTally, type Turns } from './reporting.ts';
import { openWire, type Wire, type WireTally } from './wire.ts';

/** What a process of agents is told, and tells. Times are in milliseconds since 1970, of one machine's clock. */
export type Order = { is: 'OPEN'; wanted: Wanted } | { is: 'PACE'; everyMs: number } | { is: 'REPORT' };
export type Answer = { is: 'DONE' } | { is: 'REPORT'; tally: Tally };

export interface Wanted {
  urls: string[];
  key: string;
  group: string;
  count: number;
  duty: Duty;
}

/**
 * What they do with a job: complete it at once, and be idle again; keep it, and say no more than that they live; keep it, and report of its
 * command at the pace that was ordered.
 */
export type Duty = 'COMPLETE' | 'KEEP' | 'REPORT';

/** What has happened since the last report. */
export interface Tally extends WireTally, ReportTally {
  /** When work was announced to some agent. */
  wakes: number[];
  /** Jobs that were claimed. */
  claims: { jobId: string; askedAt: number; gotAt: number }[];
  /** Questions for work that were answered with nothing. */
  inVain: number;
  /** How late this process itself was, at p99, in milliseconds: what it measures may be late by as much. */
  lateMs: number;
}

/** Opened at a time: more, and the server's queue of connections overflows. */
const AT_ONCE = 25;

/** The clock by which lateness is measured. */
const CLOCK_MS = 10;
const lateness = monitorEventLoopDelay({ resolution: CLOCK_MS });

/** A process of its own, so that the server's costs are the server's alone. */
function main(): void {
  const book = { tally: emptyTally(), turns: takeTurns() };
  lateness.enable();
  process.on('message', (order: Order) => void obey(order, book).then((answer) => process.send?.(answer)));
}

/** Where all agents of this process write down what happens to them. */
interface Book {
  tally: Tally;
  /** Of those that report. */
  turns: Turns;
}

async function obey(order: Order, book: Book): Promise<Answer> {
  switch (order.is) {
    case 'OPEN':
      for (let from = 0; from < order.wanted.count; from += AT_ONCE) {
        const some = Math.min(AT_ONCE, order.wanted.count - from);
        await Promise.all(Array.from({ length: some }, (_, n) => beginAgent(order.wanted, from + n, book)));
      }
      return { is: 'DONE' };
    case 'PACE':
      book.turns.every(order.everyMs);
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
  const none = { inVain: 0, failed: 0, cut: 0, chunks: 0, passedOver: 0, lost: 0, lateMs: 0 };
  return { heartbeats: [], wakes: [], claims: [], ...none };
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
  void work({ wire, agentId, wake, book, duty: wanted.duty });
}

interface Worker {
  wire: Wire;
  agentId: string;
  wake: ReturnType<typeof createLatch>;
  book: Book;
  duty: Duty;
}

async function work({ wire, agentId, wake, book, duty }: Worker): Promise<void> {
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
    switch (duty) {
      case 'COMPLETE':
        await wire.ask(CompleteAttemptDocument, { input: lease });
        break;
      case 'KEEP':
        keepAlive(wire, lease, claimJob.leaseMillis, book);
        return;
      case 'REPORT':
        book.turns.add(createReporter(wire, lease, book));
        return;
    }
  }
}

/** As often as agents do whose connection is watched; the first after a part of that, so that not all beat at once. */
function keepAlive(wire: Wire, input: Lease, leaseMillis: number, book: Book): void {
  const everyMs = leaseMillis / 3;
  const beat = async (): Promise<void> => {
    const sentAt = now();
    const { heartbeat } = await wire.ask(HeartbeatDocument, { input });
    if (heartbeat.__typename !== 'Lease') throw new Error(`A lease was lost: ${heartbeat.message}`);
    book.tally.heartbeats.push(now() - sentAt);
  };
  setTimeout(() => setInterval(() => void beat(), everyMs), Math.random() * everyMs);
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

if (import.meta.main) main();
