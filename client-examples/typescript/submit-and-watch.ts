import { setTimeout as delay } from 'node:timers/promises';
import { CloseCode, createClient } from 'graphql-ws';
import { EventsDocument, NowDocument, SubmitDocument } from './generated/graphql.ts';
import type { EventsSubscription, TypedDocumentString } from './generated/graphql.ts';

/**
 * Submits a job and tells what happens to it, to its end. A connection that is lost is made again, and the feed is resumed after the
 * last event that was told: nothing is missed, and nothing is told twice.
 *
 * KELPIE_API_URL=http://127.0.0.1:4000 KELPIE_API_KEY=… node submit-and-watch.ts local echo hello
 */
const url = process.env.KELPIE_API_URL ?? 'http://127.0.0.1:4000';
const key = process.env.KELPIE_API_KEY ?? '';
if (key === '')
  end('Expected a key in KELPIE_API_KEY, got none: set it to one that npm run dev prints, or an owner makes');
const [group = 'local', command = 'echo', ...words] = process.argv.slice(2);

// Asked for before the job is there, this is where its story can be followed from.
let { feedCursor: cursor } = await ask(NowDocument, {}).catch(end);
const input = { command, arguments: words, containerGroupId: group };
const { submitJob: job } = await ask(SubmitDocument, { input }).catch(end);
if (job.__typename !== 'Job') end(`The job was refused: ${job.message}`);
console.log(`submitted ${job.id}`);

const REFUSALS: readonly number[] = [CloseCode.Unauthorized, CloseCode.Forbidden];
/** What may be asked again: the server is busy, cannot reach what it needs just now, or has failed for once. */
const PASSING: readonly unknown[] = ['RATE_LIMITED', 'UNAVAILABLE', 'INTERNAL_SERVER_ERROR'];
let ending: string | undefined;
while (ending === undefined) {
  try {
    ending = await followTo(job.id);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal !== undefined) end(refusal);
    const [fault] = faultsOf(error);
    console.log(`${fault?.message ?? 'connection lost'}, going on after the last event`);
  }
  if (ending === undefined) await delay(1_000);
}
process.exitCode = ending === 'COMPLETED' ? 0 : 1;

/** Says why there is nothing to follow. `fetch` has its reason in the cause. */
function end(why: unknown): never {
  const reason = why instanceof Error ? [why.message, why.cause].filter(Boolean).map(String).join(': ') : String(why);
  console.error(reason);
  process.exit(2);
}

/** How the job has ended; undefined when the server went away in good order. Throws the server's faults, and when the connection is lost. */
async function followTo(id: string): Promise<string | undefined> {
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    connectionParams: { 'X-Kelpie-Key': key },
    // The library would begin again where it began; we know better where we are.
    retryAttempts: 0,
  });
  try {
    const query = EventsDocument.toString();
    for await (const { data, errors } of client.iterate<EventsSubscription>({
      query,
      variables: { after: cursor, group },
    })) {
      if (data == null) throw new AggregateError(errors ?? [], 'no data');
      const event = data.jobEvents;
      if (event.__typename === 'EventGap') {
        console.log(event.message);
        cursor = event.oldestCursor;
        continue;
      }
      if (event.jobId === id) tell(event.type, event.attempt, event.data);
      cursor = event.cursor;
      if (event.jobId === id && ['COMPLETED', 'FAILED', 'CANCELED', 'PURGED'].includes(event.type)) return event.type;
    }
    return undefined;
  } finally {
    await client.dispose();
  }
}

/** What the server has against the key or the question: asked again, it would say the same. */
function refusalOf(error: unknown): string | undefined {
  if (error instanceof CloseEvent && REFUSALS.includes(error.code)) return error.reason;
  const lasting = faultsOf(error).filter(({ extensions }) => !PASSING.includes(extensions?.code));
  return lasting.length === 0 ? undefined : lasting.map(({ message }) => message).join(' ');
}

interface Fault {
  message: string;
  extensions?: { code?: unknown };
}

/** Of a question that the server did not take, they are thrown as they came. */
function faultsOf(error: unknown): Fault[] {
  const faults: unknown = error instanceof AggregateError ? error.errors : error;
  return Array.isArray(faults) ? (faults as Fault[]) : [];
}

function tell(type: string, attempt: number | null | undefined, data: Record<string, unknown>): void {
  if (type === 'CLAIMED') console.log(`attempt ${attempt ?? '?'} begins on ${String(data.machineId)}`);
  else if (type === 'ATTEMPT_ENDED') console.log(`attempt ${attempt ?? '?'} ended: ${String(data.outcome)}`);
  else if (type === 'SUBMITTED' || type === 'COMPLETED' || type === 'FAILED') console.log(type.toLowerCase());
}

/** One question over HTTP, with the types that belong to it. */
async function ask<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': key },
    body: JSON.stringify({ query: document.toString(), variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
  if (data == null) throw new Error(errors?.[0]?.message ?? `the server answered ${response.status}`);
  return data;
}
