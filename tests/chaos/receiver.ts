import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { listenLocally } from '../../lib/port.ts';
import type { Receipt } from './facts.ts';
import type { WebhookTrouble } from './schedule.ts';

/** Somebody who is told by webhooks, and at times is not well. */
export interface Receiver {
  url: string;
  receipts: Receipt[];
  /** Undefined: everything is answered with 200. */
  trouble: WebhookTrouble | undefined;
  close(): Promise<void>;
}

const Body = z.strictObject({
  status: z.string(),
  job_id: z.string(),
  machine_id: z.string().nullable(),
  container_group_id: z.string(),
});

export async function startReceiver(): Promise<Receiver> {
  const server = createServer((request, response) => {
    void receive(receiver, request, response);
  });
  const port = await listenLocally(server);
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/`,
    receipts: [],
    trouble: undefined,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return receiver;
}

async function receive(receiver: Receiver, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { trouble } = receiver;
  if (trouble === 'REFUSES') {
    request.socket.resetAndDestroy();
    return;
  }
  const chunks: Buffer[] = await request.toArray().catch(() => []);
  if (!request.complete) return;
  const { status, job_id, machine_id } = Body.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  const key = request.headers['x-kelpie-key'];
  receiver.receipts.push({
    ...{ jobId: job_id, status, machineId: machine_id, at: Date.now(), accepted: trouble === undefined },
    key: typeof key === 'string' ? key : undefined,
  });
  if (trouble === undefined) response.end();
  else if (trouble === 'ANSWERS_500') response.writeHead(500).end();
}
