import { z } from 'zod';
import { boundedBody } from '../lib/bounded-body.ts';
import { anyOf } from '../lib/signals.ts';
import type { Credentials } from './credentials.ts';
import type { Transport } from './transport.ts';

const ANSWER_WITHIN_MS = 30_000;
/** Many times what is stored of a job, which is the longest answer that an agent asks for. */
const MOST_BYTES = 8 * 2 ** 20;

const answer = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(z.object({ message: z.string(), extensions: z.object({ code: z.unknown().optional() }).optional() }))
    .optional(),
});

/**
 * The same operations as single requests, for where no websocket gets through. It cannot be told anything: new work and
 * cancels are noticed by asking, and no server watches over the agent's presence, so a lost machine is noticed only when its
 * long lease runs out. `url` is `http://` or `https://`.
 */
export function createHttpTransport({ url, credentials }: { url: string; credentials: Credentials }): Transport {
  return {
    async request<Data>(operation: { toString(): string }, variables: object, signal: AbortSignal): Promise<Data> {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          ...(await credentials.forRequest(signal)),
          'content-type': 'application/json',
          accept: 'application/graphql-response+json, application/json',
        },
        body: JSON.stringify({ query: operation.toString(), variables }),
        // Wherever that leads, it would be shown the key; and a websocket goes nowhere else either.
        redirect: 'manual',
        signal: anyOf(signal, AbortSignal.timeout(ANSWER_WITHIN_MS)),
      });
      // As over the websocket: what a server answers to a document of its own schema has the type of that document.
      return (await dataOf(response, credentials)) as Data;
    },
    subscribe: () => () => undefined,
    canSubscribe: () => false,
    close: async () => undefined,
  };
}

/** Servers that do not believe credentials say so in the errors; a status of that meaning is of something before them. */
const REFUSALS: readonly unknown[] = ['UNAUTHENTICATED', 'FORBIDDEN', 401, 403];

async function dataOf(response: Response, credentials: Credentials): Promise<unknown> {
  if (REFUSALS.includes(response.status)) credentials.refused();
  const text = Buffer.from(await boundedBody(response, MOST_BYTES)).toString('utf8');
  const { data, errors = [] } = parsed(text, response.status);
  if (errors.some(({ extensions }) => REFUSALS.includes(extensions?.code))) credentials.refused();
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('; '));
  if (data === undefined || data === null) throw new Error(`The server answered ${response.status} without data`);
  return data;
}

function parsed(text: string, status: number): z.infer<typeof answer> {
  try {
    return answer.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(
      `Expected an answer in GraphQL's JSON, got status ${status} and ${JSON.stringify(text.slice(0, 100))}: check KELPIE_API_URL`,
      { cause },
    );
  }
}
