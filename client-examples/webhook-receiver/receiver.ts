import { createServer, type IncomingMessage } from 'node:http';
import { Webhook } from 'standardwebhooks';

/**
 * Takes a job's webhooks: checks who they are from, answers at once, and passes over those that it has had.
 *
 * KELPIE_WEBHOOK_SECRET=whsec_… node receiver.ts 8080
 *
 * An owner reads the secret with { webhookSecret { ... on WebhookSecret { secret } } }.
 */
const secret = process.env.KELPIE_WEBHOOK_SECRET ?? '';
if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret)) {
  // What came is not repeated: it may be a secret, only not this one.
  console.error(
    'Expected KELPIE_WEBHOOK_SECRET to be whsec_…: an owner reads it with { webhookSecret { ... } }, see above',
  );
  process.exit(2);
}
const webhook = new Webhook(secret);
/** Our webhooks have some hundred bytes: whoever sends more is somebody else. */
const MAX_BYTES = 64 * 1024;
/** Ids of the last webhooks. A database would remember them over restarts. */
const seen = new Set<string>();
const REMEMBERED = 10_000;

const server = createServer((request, response) => {
  void receive(request).then((status) => response.writeHead(status).end());
});
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening on http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? '') : ''}`);
});

/** What is answered. Anything but 200 to 299 means: try again later. */
async function receive(request: IncomingMessage): Promise<number> {
  const id = String(request.headers['webhook-id']);
  try {
    const body = await bytesOf(request);
    if (body === undefined) return 413;
    // The bytes that came, before anybody has parsed them: those were signed.
    const told = webhook.verify(body, request.headers as Record<string, string>) as Record<string, string>;
    if (seen.has(id)) return 204;
    remember(id);
    console.log(`job ${told.job_id ?? ''} ${told.status ?? ''} on ${told.machine_id ?? ''}`);
    return 204;
  } catch (error) {
    // Not signed by Kelpie, too old, not JSON, or broken off in the middle.
    console.log(`refused: ${error instanceof Error ? error.message : String(error)}`);
    return 400;
  }
}

/** Undefined for more than anybody should send. */
async function bytesOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function remember(id: string): void {
  seen.add(id);
  const [oldest] = seen;
  if (seen.size > REMEMBERED && oldest !== undefined) seen.delete(oldest);
}
