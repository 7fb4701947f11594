import {
  type AnyVariables,
  Client,
  fetchExchange,
  type OperationResult,
  type OperationResultSource,
  subscriptionExchange,
  type TypedDocumentNode,
} from 'urql';
import { CloseCode, createClient, type Client as Socket } from 'graphql-ws';
import type { Store } from './store.ts';

export const KEY_HEADER = 'X-Kelpie-Key';

/** How the page stands with its server. */
export interface Link {
  status: 'CONNECTING' | 'LIVE' | 'LOST' | 'REFUSED';
  /** How often it has become LIVE: whoever shows what only a question tells asks again when this grows. */
  epoch: number;
  /** Why the key was refused, in the server's words. */
  reason: string;
  /** For how long nothing had been heard of the server when it last became LIVE, in milliseconds; a machine's sleep counts. */
  awayMs: number;
}

/** Questions go by HTTP, what is followed by one websocket, which is kept open and made anew for as long as the page is. */
export interface Connection {
  link: Store<Link>;
  urql: Client;
  socket: Socket;
  close(): void;
}

const PING_EVERY_MS = 5_000;
/** A socket that does not answer a ping for so long is dead, whatever the network says. */
const PONG_WITHIN_MS = 4_000;
const MAX_WAIT_MS = 3_000;

/**
 * @param onBroken called when the socket was closed in a way that its library does not try again after; the server may still be well
 */
export function openConnection(key: string, link: Store<Link>, onBroken: () => void): Connection {
  let pong: ReturnType<typeof setTimeout> | undefined;
  let heardAt = Date.now();
  const socket = createClient({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
    connectionParams: { [KEY_HEADER]: key },
    lazy: false,
    keepAlive: PING_EVERY_MS,
    retryAttempts: Infinity,
    retryWait: async (retries) =>
      pause(Math.min(MAX_WAIT_MS, 200 * 2 ** Math.min(retries, 10)) * (0.75 + Math.random() / 2)),
    shouldRetry: (fault) => refusalOf(fault) === undefined,
    onNonLazyError: (fault) => {
      if (refusalOf(fault) === undefined) onBroken();
    },
    on: {
      connected: () => {
        const awayMs = Date.now() - heardAt;
        heardAt = Date.now();
        link.set({ status: 'LIVE', epoch: link.get().epoch + 1, reason: '', awayMs });
      },
      closed: (event) => {
        clearTimeout(pong);
        const reason = refusalOf(event);
        link.set({ ...link.get(), ...(reason === undefined ? { status: 'LOST' } : { status: 'REFUSED', reason }) });
      },
      ping: (received) => {
        if (!received) pong = setTimeout(() => socket.terminate(), PONG_WITHIN_MS);
      },
      pong: (received) => {
        if (!received) return;
        clearTimeout(pong);
        heardAt = Date.now();
      },
    },
  });
  return { link, socket, urql: clientOf(key, socket), close: () => void socket.dispose() };
}

function clientOf(key: string, socket: Socket): Client {
  return new Client({
    url: '/graphql',
    // Variables have no business in addresses, which are logged.
    preferGetMethod: false,
    requestPolicy: 'network-only',
    fetchOptions: { headers: { [KEY_HEADER]: key } },
    exchanges: [
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables = {} }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              { query, variables: { ...variables } },
              {
                next: ({ data = null, errors = [] }) => sink.next(errors.length === 0 ? { data } : { data, errors }),
                error: (fault) => sink.error(fault),
                complete: () => sink.complete(),
              },
            ),
          }),
        }),
      }),
      fetchExchange,
    ],
  });
}

/**
 * One question, or one change.
 * @param signal aborted when the answer is of no use any more: the request is broken off, and this throws the signal's reason
 * @throws Mistaken when the question itself is at fault
 * @throws Error with what the server said, or that it does not answer
 */
export async function ask<Data, Variables extends AnyVariables>(
  { urql }: Connection,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  signal?: AbortSignal,
): Promise<Data> {
  const { data, error } = await first(urql.query(document, variables), signal);
  if (error !== undefined) throw isMistaken(error) ? new Mistaken(faultOf(error)) : new Error(faultOf(error));
  if (data === undefined) throw new Error('The server answered without data.');
  return data;
}

/** urql breaks a request off when nobody listens to its result any more. */
async function first<Result extends OperationResult>(
  results: OperationResultSource<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  // Who asks what another one has just asked is told that answer meanwhile.
  const subscription = results.subscribe((result) => {
    if (!result.stale && !result.hasNext) resolve(result);
  });
  const giveUp = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', giveUp);
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', giveUp);
    subscription.unsubscribe();
  }
}

/** Asked again, it would be refused again. */
export class Mistaken extends Error {
  override name = 'Mistaken';
}

function isMistaken({
  graphQLErrors,
}: {
  graphQLErrors: readonly { extensions?: Record<string, unknown> }[];
}): boolean {
  return graphQLErrors.some(({ extensions }) => extensions?.code === 'INVALID_INPUT');
}

/** What went wrong, for the person before the screen. */
export function faultOf(error: {
  networkError?: Error | undefined;
  graphQLErrors: readonly { message: string }[];
}): string {
  if (error.graphQLErrors.length > 0) return error.graphQLErrors.map(({ message }) => message).join(' ');
  return 'The server does not answer.';
}

const REFUSALS: readonly number[] = [CloseCode.Forbidden, CloseCode.Unauthorized];

/** The server's words when the key is not, or no longer, good. */
function refusalOf(fault: unknown): string | undefined {
  if (!(fault instanceof CloseEvent)) return undefined;
  const isRefusal = REFUSALS.includes(fault.code);
  return isRefusal ? fault.reason : undefined;
}

export async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
