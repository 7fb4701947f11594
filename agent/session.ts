import type { Logger } from 'pino';
import { jittered } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import { pause, whenAborted } from '../lib/pause.ts';
import { repeatUntilAnswered } from '../lib/repeat.ts';
import {
  AgentSignalsDocument,
  type AgentSignalsSubscription,
  RegisterAgentDocument,
  type RegisterAgentInput,
} from './generated/graphql.ts';
import type { Transport } from './transport.ts';

export type AgentSignal = AgentSignalsSubscription['agentSignals'];

export interface LinkListener {
  /** This agent is registered on a new connection. Signals of the time before may have been missed. */
  onReady(): void;
  onSignal(signal: AgentSignal): void;
}

export interface SessionParts {
  registration: RegisterAgentInput;
  listener: LinkListener;
  log: Logger;
}

/** This process as the server knows it, over all the connections it makes. */
export interface Session {
  /** Registers, and listens for signals, anew; what an earlier call still tries is given up. */
  join(): void;
  leave(): void;
  /** The id the server gave this agent; waits for the first registration. Rejects when `signal` is aborted. */
  agentId(signal: AbortSignal): Promise<string>;
}

const REGISTRATION = { baseMs: 200, capMs: 5000, tryMs: 10_000 };
const LISTEN_AGAIN_MS = 1000;

export function createSession(transport: Transport, { registration, listener, log }: SessionParts): Session {
  const registered = Promise.withResolvers<undefined>();
  let membership = new AbortController();
  let agentId = '';

  async function join(): Promise<void> {
    membership.abort();
    membership = new AbortController();
    const { signal } = membership;
    const onFailure = (err: unknown) =>
      log.warn({ reason: messageOf(err) }, 'This agent could not register, and tries again');
    const id = await repeatUntilAnswered((within) => register(transport, registration, within), {
      ...REGISTRATION,
      signal,
      onFailure,
    });
    if (id === undefined) return;
    agentId = id;
    registered.resolve(undefined);
    log.info({ agentId }, 'Registered');
    listen(signal);
    listener.onReady();
  }

  function listen(signal: AbortSignal): void {
    const ended = (err: unknown) => {
      if (signal.aborted) return;
      log.warn({ reason: messageOf(err) }, 'The server ended the subscription to signals; joining again');
      void pause(jittered(LISTEN_AGAIN_MS), signal).then(() => (signal.aborted ? undefined : join()));
    };
    const next = (data: AgentSignalsSubscription) => listener.onSignal(data.agentSignals);
    const unsubscribe = transport.subscribe(AgentSignalsDocument, { agentId }, { next, ended });
    signal.addEventListener('abort', unsubscribe, { once: true });
  }

  return {
    join: () => void join(),
    leave: () => membership.abort(),
    async agentId(signal) {
      const over = new AbortController();
      await Promise.race([registered.promise, whenAborted(signal, over.signal)]);
      over.abort();
      signal.throwIfAborted();
      return agentId;
    },
  };
}

async function register(transport: Transport, input: RegisterAgentInput, signal: AbortSignal): Promise<string> {
  const { registerAgent } = await transport.request(RegisterAgentDocument, { input }, signal);
  if (registerAgent.__typename === 'Agent') return registerAgent.id;
  throw new Error(`The server refused the registration of this agent: ${registerAgent.message}`);
}
