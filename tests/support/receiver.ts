import { createServer, type IncomingHttpHeaders } from 'node:http';
import { listenLocally } from '../../lib/port.ts';

export interface Received {
  method: string | undefined;
  path: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Receiver {
  url: string;
  received: Received[];
  /** How the next requests are answered, in turn; 200 after that. */
  answers: (number | ({ status: number } & Record<string, string | number>))[];
  /** How long it takes for an answer, in milliseconds; 0. */
  slowMs: number;
  close(): Promise<void>;
}

/** Somebody who is told by webhooks: a real HTTP server that remembers what came. It takes any free port unless told which. */
export async function startReceiver(onPort = 0): Promise<Receiver> {
  const received: Received[] = [];
  const answers: Receiver['answers'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url: path, headers } = request;
      received.push({ method, path, headers, body: Buffer.concat(chunks).toString('utf8') });
      const answer = answers.shift() ?? 200;
      if (typeof answer === 'number') response.writeHead(answer);
      else {
        const { status, ...headers } = answer;
        response.writeHead(status, headers);
      }
      setTimeout(() => response.end(), receiver.slowMs);
    });
  });
  const port = await listenLocally(server, onPort);
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    received,
    answers,
    slowMs: 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}
