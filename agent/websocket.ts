import type { Client, FormattedExecutionResult } from 'graphql-ws';
import { type ConnectionParts, asError, keepConnected } from './connection.ts';
import type { TypedDocumentString } from './generated/graphql.ts';
import type { Transport } from './transport.ts';

/** Everything the agent says and hears goes over one websocket, which is made anew for ever. */
export function openWebSocket(parts: ConnectionParts): Transport {
  const connection = keepConnected(parts);
  return {
    request: (operation, variables, signal) => request(connection.client(), operation, variables, signal),
    subscribe: (operation, variables, listener) =>
      connection.client().subscribe<DataOf<typeof operation>>(payload(operation, variables), {
        next: (result) => {
          const data = dataOf(result);
          if (data instanceof Error) listener.ended(data);
          else listener.next(data);
        },
        error: (why) => listener.ended(asError(why)),
        complete: () => listener.ended(new Error('the server has nothing more to say')),
      }),
    canSubscribe: () => true,
    close: () => connection.close(),
  };
}

type DataOf<Operation> = Operation extends TypedDocumentString<infer Data, object> ? Data : never;

function request<Data, Variables extends object>(
  client: Client,
  operation: TypedDocumentString<Data, Variables>,
  variables: Variables,
  signal: AbortSignal,
): Promise<Data> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const forget = client.subscribe<Data>(payload(operation, variables), {
      next: (result) => {
        const data = dataOf(result);
        if (data instanceof Error) reject(data);
        else resolve(data);
        // An answered operation whose end has not arrived would be sent a second time on the next connection.
        setImmediate(forget);
      },
      error: (why) => {
        signal.removeEventListener('abort', abandon);
        reject(asError(why));
      },
      complete: () => {
        signal.removeEventListener('abort', abandon);
        reject(new Error('The server ended the operation without an answer'));
      },
    });
    function abandon() {
      forget();
      reject(asError(signal.reason));
    }
    signal.addEventListener('abort', abandon, { once: true });
  });
}

function payload(operation: { toString(): string }, variables: object) {
  return { query: operation.toString(), variables: { ...variables } };
}

function dataOf<Data>(result: FormattedExecutionResult<Data, unknown>): Data | Error {
  if (result.errors !== undefined && result.errors.length > 0) return asError(result.errors);
  return result.data ?? new Error('The server answered without data');
}
