import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { listenLocally } from '../../lib/port.ts';

/** What stands between agents and their server: plain requests go through, websockets as the test wants it. */
export interface Gateway {
  url: string;
  /** Whether websockets are let through; those that are open stay. */
  websockets: 'OPEN' | 'REFUSED';
  /** Asked for each message of the server's; `true` hangs up both sides instead of passing it on. */
  hangUpOn: (message: string) => boolean;
  /** Asked for each message of a client's; what it returns is the answer, and the server does not get the message. */
  answerInstead: (message: string) => string | undefined;
  /** Asked for each plain request that the server has answered; `true` hangs up on the client instead of handing the answer on. */
  loseAnswerTo: (incoming: IncomingMessage) => boolean;
  /** Cuts every plain request that is open, as a network does: neither side is told more than that. */
  cutRequests(): void;
  close(): Promise<void>;
}

/** `server` is the address of the server, `http://host:port`. */
export async function openGateway(server: string): Promise<Gateway> {
  const hooks = { hangUpOn: () => false, answerInstead: () => undefined, loseAnswerTo: () => false };
  const gateway: Gateway = { url: '', websockets: 'OPEN', ...hooks, cutRequests, close };
  const listener = createServer((incoming, outgoing) => pass(gateway, server, incoming, outgoing));
  const websockets = new WebSocketServer({ noServer: true });
  listener.on('upgrade', (incoming, socket, head) => {
    socket.on('error', () => undefined);
    if (gateway.websockets === 'REFUSED') socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n');
    else websockets.handleUpgrade(incoming, socket, head, (near) => join(gateway, server, near));
  });
  const port = await listenLocally(listener);
  gateway.url = `http://127.0.0.1:${port}`;

  function cutRequests(): void {
    listener.closeAllConnections();
  }
  async function close(): Promise<void> {
    for (const near of websockets.clients) near.terminate();
    cutRequests();
    await new Promise((resolve) => listener.close(resolve));
  }
  return gateway;
}

function pass(gateway: Gateway, server: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method = 'GET', url = '/', headers } = incoming;
  const onward = request(new URL(url, server), { method, headers }, (answer) => {
    if (gateway.loseAnswerTo(incoming)) {
      answer.resume();
      outgoing.destroy();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

function join(gateway: Gateway, server: string, near: WebSocket): void {
  const far = new WebSocket(`${server.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const early: string[] = [];
  near.on('message', (data: Buffer) => {
    const answer = gateway.answerInstead(String(data));
    if (answer !== undefined) near.send(answer);
    else if (far.readyState === WebSocket.OPEN) far.send(String(data));
    else early.push(String(data));
  });
  far.on('open', () => early.forEach((text) => far.send(text)));
  far.on('message', (data: Buffer) => {
    if (gateway.hangUpOn(String(data))) near.terminate();
    else near.send(String(data));
  });
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on('error', () => other.terminate());
    one.on('close', () => other.terminate());
  }
}
