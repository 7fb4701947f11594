import { setTimeout as delay } from 'node:timers/promises';
import { CloseCode, createClient, type Client } from 'graphql-ws';
import { type Connection, faultOf, Lost } from './connection.ts';
import { CliError, EXIT } from './exits.ts';
import type { TypedDocumentString } from './generated/graphql.ts';

export interface Following<Variables> {
  /** Asked at each connection: where to go on. */
  variables: () => Variables;
  /** Whether it is over when the server has nothing more to say; else it went away, and is asked again. */
  isOver: () => Promise<boolean>;
  /** Told once for each time that the connection is lost. */
  onLost: (why: string) => void;
}

/** How long the server may be away, once it has been there (milliseconds). */
const PATIENCE_MS = 15 * 60_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** We ping this often, and a server that is silent for so long after that is taken for gone (milliseconds). */
const PING_MS = 10_000;
const PONG_MS = 10_000;
const HANDSHAKE_MS = 10_000;

/**
 * What a subscription tells, over as many connections as it takes.
 * @throws CliError when the server refuses, or is away for 15 minutes
 */
export async function* follow<Data, Variables extends object>(
  connection: Connection,
  operation: TypedDocumentString<Data, Variables>,
  following: Following<Variables>,
): AsyncGenerator<Data, void, undefined> {
  const { stopping } = connection;
  let failures = 0;
  let lostAt: number | undefined;
  const onConnected = (): void => void (lostAt = undefined);
  for (;;) {
    try {
      for await (const data of listen(connection, operation, following.variables(), onConnected)) {
        failures = 0;
        yield data;
      }
      stopping.throwIfAborted();
      if (await following.isOver()) return;
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      if (lostAt === undefined) following.onLost(error.message);
      lostAt ??= performance.now();
      if (performance.now() - lostAt > PATIENCE_MS) throw error;
    }
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS);
    await delay(pause * (0.5 + Math.random() / 2), undefined, { signal: stopping });
  }
}

/** One connection's worth. */
async function* listen<Data, Variables extends object>(
  connection: Connection,
  operation: TypedDocumentString<Data, Variables>,
  variables: Variables,
  onConnected: () => void,
): AsyncGenerator<Data, void, undefined> {
  const { stopping } = connection;
  stopping.throwIfAborted();
  const client = openSocket(connection, onConnected);
  const hangUp = (): void => client.terminate();
  stopping.addEventListener('abort', hangUp, { once: true });
  try {
    for await (const { data, errors } of client.iterate<Data>(payloadOf(operation, variables))) {
      const [first] = errors ?? [];
      if (first !== undefined) throw faultOf({ message: first.message, extensions: first.extensions });
      if (data != null) yield data;
    }
  } catch (error) {
    stopping.throwIfAborted();
    throw asFault(error, connection.url);
  } finally {
    stopping.removeEventListener('abort', hangUp);
    await client.dispose();
  }
}

function payloadOf(operation: { toString(): string }, variables: object) {
  return { query: operation.toString(), variables: { ...variables } };
}

function openSocket({ url, key }: Connection, onConnected: () => void): Client {
  let silence: NodeJS.Timeout | undefined;
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    connectionParams: { 'X-Kelpie-Key': key },
    // The library would subscribe again from where it began; we go on from where we are.
    retryAttempts: 0,
    keepAlive: PING_MS,
    connectionAckWaitTimeout: HANDSHAKE_MS,
    on: {
      connected: onConnected,
      ping: (isReceived) => {
        if (!isReceived) silence = setTimeout(() => client.terminate(), PONG_MS);
      },
      pong: () => clearTimeout(silence),
      closed: () => clearTimeout(silence),
    },
  });
  return client;
}

const REFUSALS: readonly number[] = [CloseCode.Forbidden, CloseCode.Unauthorized];

/** A close that says no is the server's answer; any other means that it is away. */
function asFault(error: unknown, url: string): CliError {
  if (error instanceof CliError) return error;
  if (Array.isArray(error)) return faultOf(firstOf(error));
  if (isClose(error)) {
    if (REFUSALS.includes(error.code)) {
      return new CliError(EXIT.UNREACHABLE, error.reason);
    }
    return new Lost(`The connection to ${url} was closed (${error.code} ${error.reason}`.trimEnd() + ')');
  }
  return new Lost(`The connection to ${url} was lost${reasonOf(error)}`);
}

function firstOf(errors: readonly unknown[]): { message: string; extensions?: Record<string, unknown> } {
  const [first] = errors;
  // graphql-ws has checked that these are GraphQL's errors.
  return first as { message: string };
}

/** A broken socket's event may have a message, or may not. */
function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error)) return '';
  return typeof error.message === 'string' && error.message !== '' ? ` (${error.message})` : '';
}

function isClose(error: unknown): error is { code: number; reason: string } {
  return typeof error === 'object' && error !== null && 'code' in error && 'reason' in error;
}
