import { once } from 'node:events';
import { WebSocket } from 'ws';

/** A message of graphql-transport-ws. */
export interface RawMessage {
  id?: string;
  type: string;
  payload?: unknown;
}

/** A websocket without graphql-ws's client, for what that client would not do. */
export interface RawSocket {
  socket: WebSocket;
  heard: RawMessage[];
  send(message: RawMessage): void;
  /** Resolves with code and reason when it is closed. */
  closed: Promise<[number, string]>;
}

/** Opens one, and says who it is, where `params` are given. */
export function openRaw(url: string, params?: Record<string, unknown>): RawSocket {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const heard: RawMessage[] = [];
  const send = (message: RawMessage): void => socket.send(JSON.stringify(message));
  if (params !== undefined) socket.once('open', () => send({ type: 'connection_init', payload: params }));
  socket.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString()) as RawMessage));
  socket.on('error', () => undefined);
  const closed = once(socket, 'close').then(([code, reason]): [number, string] => [Number(code), String(reason)]);
  return { socket, heard, send, closed };
}
