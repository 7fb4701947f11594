import type { Logger } from 'pino';
import { jittered } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import { isAborted, pause, whenAborted } from '../lib/pause.ts';
import { repeatUntilAnswered } from '../lib/repeat.ts';
import {
  AgentSignalsDocument,
  type AgentSignalsSubscription,
  RegisterAgentDocument,
  type RegisterAgentInput,
} from './generated/graphql.ts';
import type { PresenceRecord } from './presence.ts';
import type { Transport } from './transport.ts';

export type AgentSignal = AgentSignalsSubscription['agentSignals'];

export interface LinkListener {
  /** This agent is registered on a new connection. Signals of the time before may have been missed. */
  onReady(): void;
  onSignal(signal: AgentSignal): void;
}

export interface SessionParts {
  registration: Omit<RegisterAgentInput, 'hardware'>;
  /** What is found out of the machine, in its own time: nothing waits for it. Never rejects. */
  hardware: Promise<Record<string, unknown>>;
  presence: Pick<PresenceRecord, 'ask' | 'begin' | 'end' | 'graceIs'>;
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

export function createSession(transport: Transport, parts: SessionParts): Session {
  const { registration, log } = parts;
  const registered = Promise.withResolvers<undefined>();
  let membership = new AbortController();
  let agentId = '';
  let hardware: Record<string, unknown> | undefined;
  void parts.hardware.then((found) => (hardware = found));
  let connections = 0;

  async function join(): Promise<void> {
    membership.abort();
    membership = new AbortController();
    const { signal } = membership;
    const onFailure = (err: unknown) =>
      log.warn({ reason: messageOf(err) }, 'This agent could not register, and tries again');
    const told = hardware;
    const registerWith = (known: Record<string, unknown> | undefined) =>
      repeatUntilAnswered(
        (within) =>
          register(transport, known === undefined ? registration : { ...registration, hardware: known }, within),
        { ...REGISTRATION, signal, onFailure },
      );
    const self = await registerWith(told);
    if (self === undefined) return;
    agentId = self.id;
    parts.presence.graceIs(self.reconnectGraceMillis);
    registered.resolve(undefined);
    log.info({ agentId }, 'Registered');
    const joinAgain = () => void join();
    if (transport.canSubscribe())
      listen(transport, { ...parts, agentId, connection: ++connections, signal, joinAgain });
    parts.listener.onReady();
    if (told !== undefined) return;
    const found = await parts.hardware;
    if (!isAborted(signal)) await registerWith(found);
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

/** What the server calls this agent, and how long it may be without a connection. */
type Self = { id: string; reconnectGraceMillis: number };

async function register(transport: Transport, input: RegisterAgentInput, signal: AbortSignal): Promise<Self> {
  const { registerAgent } = await transport.request(RegisterAgentDocument, { input }, signal);
  if (registerAgent.__typename === 'Agent') return registerAgent;
  throw new Error(`The server refused the registration of this agent: ${registerAgent.message}`);
}

interface Listening extends Pick<SessionParts, 'presence' | 'listener' | 'log'> {
  agentId: string;
  /** The how many-th of this session it is. */
  connection: number;
  /** Ends it. */
  signal: AbortSignal;
  joinAgain: () => void;
}

function listen(transport: Transport, listening: Listening): void {
  const { agentId, connection, presence, listener, signal, joinAgain, log } = listening;
  let isHeard = false;
  const next = (data: AgentSignalsSubscription) => {
    if (signal.aborted) return;
    // A server greets whoever subscribes with a first signal, as soon as the subscription is the agent's presence.
    if (!isHeard) presence.begin(performance.now());
    isHeard = true;
    listener.onSignal(data.agentSignals);
  };
  const ended = (err: unknown) => {
    if (signal.aborted) return;
    presence.end();
    log.warn({ reason: messageOf(err) }, 'The server ended the subscription to signals; joining again');
    void pause(jittered(LISTEN_AGAIN_MS), signal).then(() => (signal.aborted ? undefined : joinAgain()));
  };
  presence.ask();
  const unsubscribe = transport.subscribe(AgentSignalsDocument, { agentId, connection }, { next, ended });
  const leave = () => {
    presence.end();
    unsubscribe();
  };
  signal.addEventListener('abort', leave, { once: true });
}
