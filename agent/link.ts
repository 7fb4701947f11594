import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { anyOf } from '../lib/signals.ts';
import * as operations from './generated/graphql.ts';
import { type Session, type SessionParts, createSession } from './session.ts';
import type { Transport } from './transport.ts';

export type Claim = Omit<Extract<operations.ClaimJobMutation['claimJob'], { __typename: 'Claim' }>, '__typename'>;
/** `askedAt`, on the monotonic clock, is when this claim was first asked for: its lease may have begun then. */
export type ClaimAnswer =
  | { kind: 'CLAIM'; claim: Claim; askedAt: number }
  | { kind: 'NO_WORK'; retryAfterMillis: number; signal?: operations.AgentSignalType | null };
export type HeartbeatAnswer =
  | { kind: 'RENEWED'; leaseMillis: number; directive: operations.LeaseDirective }
  | { kind: 'LEASE_LOST'; message: string; isCanceled: boolean }
  | { kind: 'REFUSED'; message: string };
export type AppendAnswer = { kind: 'TAKEN'; nextOffset: number } | { kind: 'LEASE_LOST' | 'REFUSED'; message: string };
export type ReportAnswer = { kind: 'ACCEPTED' } | { kind: 'LEASE_LOST' | 'REFUSED'; message: string };

/** The agent's verbs. Each rejects when no answer came; an answer that says no is data. */
export interface Link {
  /** Waits until this agent is registered. A claim whose answer was lost, or did not come in time, is asked for again, and is the same one. */
  claim(signal: AbortSignal): Promise<ClaimAnswer>;
  heartbeat(input: operations.HeartbeatInput, signal: AbortSignal): Promise<HeartbeatAnswer>;
  appendLogs(input: operations.AppendLogsInput, signal: AbortSignal): Promise<AppendAnswer>;
  complete(input: operations.CompleteAttemptInput, signal: AbortSignal): Promise<ReportAnswer>;
  fail(input: operations.FailAttemptInput, signal: AbortSignal): Promise<ReportAnswer>;
  release(input: operations.ReleaseAttemptInput, signal: AbortSignal): Promise<ReportAnswer>;
  close(): Promise<void>;
}

const ASK_AGAIN_UNREGISTERED_MS = 5000;
/** Longer than a server takes over anything: an agent that waits for a lost answer on a sound connection would get no job any more. */
const CLAIMED_WITHIN_MS = 30_000;

export interface LinkParts extends SessionParts {
  open: (onConnected: () => void) => Transport;
  /** How long the answer to a claim may take, in milliseconds (30,000). */
  claimedWithinMs?: number;
}

/** Opens the connection, and registers this session with the server whenever the connection is made anew. */
export function createLink(parts: LinkParts): Link {
  const { claimedWithinMs = CLAIMED_WITHIN_MS } = parts;
  const transport = parts.open(() => session.join());
  const session = createSession(transport, parts);
  let unanswered: { claimId: string; askedAt: number } | undefined;

  return {
    async claim(signal) {
      const agentId = await session.agentId(signal);
      const { claimId, askedAt } = (unanswered ??= { claimId: randomUUID(), askedAt: performance.now() });
      const { claimJob } = await transport.request(
        operations.ClaimJobDocument,
        { input: { agentId, claimId } },
        anyOf(signal, AbortSignal.timeout(claimedWithinMs)),
      );
      unanswered = undefined;
      return claimAnswer(claimJob, askedAt, session, parts.log);
    },
    async heartbeat(input, signal) {
      const { heartbeat } = await transport.request(operations.HeartbeatDocument, { input }, signal);
      return heartbeatAnswer(heartbeat);
    },
    async appendLogs(input, signal) {
      const { appendLogs } = await transport.request(operations.AppendLogsDocument, { input }, signal);
      return appendAnswer(appendLogs);
    },
    async complete(input, signal) {
      const data = await transport.request(operations.CompleteAttemptDocument, { input }, signal);
      return reportAnswer(data.completeAttempt);
    },
    async fail(input, signal) {
      const data = await transport.request(operations.FailAttemptDocument, { input }, signal);
      return reportAnswer(data.failAttempt);
    },
    async release(input, signal) {
      const data = await transport.request(operations.ReleaseAttemptDocument, { input }, signal);
      return reportAnswer(data.releaseAttempt);
    },
    async close() {
      session.leave();
      await transport.close();
    },
  };
}

function claimAnswer(
  answer: operations.ClaimJobMutation['claimJob'],
  askedAt: number,
  session: Session,
  log: Logger,
): ClaimAnswer {
  switch (answer.__typename) {
    case 'Claim':
      return { kind: 'CLAIM', claim: answer, askedAt };
    case 'NoWork':
      return { kind: 'NO_WORK', retryAfterMillis: answer.retryAfterMillis, signal: answer.signal };
    case 'NotFound':
      log.warn('The server no longer knows this agent; registering again');
      session.join();
      return { kind: 'NO_WORK', retryAfterMillis: ASK_AGAIN_UNREGISTERED_MS };
    case 'InvalidInput':
    case 'Forbidden':
      throw new Error(`The server refused to look for work: ${answer.message}`);
  }
}

function heartbeatAnswer(answer: operations.HeartbeatMutation['heartbeat']): HeartbeatAnswer {
  switch (answer.__typename) {
    case 'Lease':
      return { kind: 'RENEWED', leaseMillis: answer.leaseMillis, directive: answer.directive };
    case 'LeaseLost':
      return { kind: 'LEASE_LOST', message: answer.message, isCanceled: answer.canceled };
    case 'InvalidInput':
    case 'Forbidden':
      return { kind: 'REFUSED', message: answer.message };
  }
}

function appendAnswer(answer: operations.AppendLogsMutation['appendLogs']): AppendAnswer {
  switch (answer.__typename) {
    case 'AppendedLogs':
      return { kind: 'TAKEN', nextOffset: answer.nextOffset };
    case 'LeaseLost':
      return { kind: 'LEASE_LOST', message: answer.message };
    case 'InvalidInput':
    case 'Forbidden':
      return { kind: 'REFUSED', message: answer.message };
  }
}

function reportAnswer(answer: operations.CompleteAttemptMutation['completeAttempt']): ReportAnswer {
  switch (answer.__typename) {
    case 'Job':
      return { kind: 'ACCEPTED' };
    case 'LeaseLost':
      return { kind: 'LEASE_LOST', message: answer.message };
    case 'InvalidInput':
    case 'Forbidden':
      return { kind: 'REFUSED', message: answer.message };
  }
}
