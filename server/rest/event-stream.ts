import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import { messageOf } from '../../lib/errors.ts';
import { HEARTBEAT, orSilence, SILENCE } from './heartbeat.ts';
import type { RestEnv, RestLog } from './parts.ts';

/** An event of a stream, by the standard of server-sent events. One without data moves the place to resume from, silently. */
export interface SentEvent {
  /** What `Last-Event-ID` brings back. One line. */
  id?: string;
  event?: string;
  data?: unknown;
}

/** When a client that lost the stream should come back, in milliseconds. */
const RETRY_MS = 2_000;

/** Whether the client wants server-sent events rather than JSON. */
export function wantsStream(context: Context<RestEnv>): boolean {
  // Whoever asks for the headers alone would never end a stream.
  if (context.req.method === 'HEAD') return false;
  const supports = ['application/json', EVENT_STREAM];
  return accepts(context, { header: 'Accept', supports, default: 'application/json' }) === EVENT_STREAM;
}

export const EVENT_STREAM = 'text/event-stream';

/**
 * Answers with events as they come, one at a time and only as fast as the client reads: a slow one costs what its connection
 * buffers, and loses it in time, as with every answer. It ends with `events`, the client, or the server; `events` are ended and `onEnd` is called then, once.
 */
export function respondWithStream(
  context: Context<RestEnv>,
  events: AsyncGenerator<SentEvent, void, undefined>,
  around: { stopping: AbortSignal; log: RestLog; onEnd: () => void },
): Response {
  const over = new AbortController();
  // Its reader may pull on nobody's behalf.
  const within = AsyncLocalStorage.snapshot();
  let coming: Promise<string | undefined> | undefined;
  const end = (): void => {
    if (over.signal.aborted) return;
    over.abort();
    void events.return();
    around.onEnd();
  };
  for (const signal of [around.stopping, context.req.raw.signal]) {
    const stop = (): void => {
      end();
      // A client that is not reading would not see the end either.
      if (coming === undefined) context.env.hangUp();
    };
    signal.addEventListener('abort', stop, { signal: over.signal });
    if (signal.aborted) stop();
  }
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start: (controller) => controller.enqueue(encoded(`retry: ${RETRY_MS}\n\n`)),
      async pull(controller) {
        coming ??= within(() => nextText(context, events, around.log));
        const text = await orSilence(coming);
        if (text !== SILENCE) coming = undefined;
        if (text === undefined) {
          end();
          controller.close();
          return;
        }
        controller.enqueue(encoded(text === SILENCE ? HEARTBEAT : text));
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
  // The connection goes with the stream: kept alive, it would keep a server from stopping.
  return context.body(body, 200, { 'Content-Type': EVENT_STREAM, Connection: 'close', 'X-Accel-Buffering': 'no' });
}

/** Undefined at the end; what breaks off ends as well, because the client comes back and resumes. */
async function nextText(
  context: Context<RestEnv>,
  events: AsyncGenerator<SentEvent, void, undefined>,
  log: RestLog,
): Promise<string | undefined> {
  try {
    const step = await events.next();
    return step.done === true ? undefined : textOf(step.value);
  } catch (error) {
    const about = { err: error, request_id: context.get('requestId') };
    log.error(about, `A stream of events broke off: ${messageOf(error)}`);
    return undefined;
  }
}

function textOf({ id, event, data }: SentEvent): string {
  return [
    ...(id === undefined ? [] : [`id: ${id}\n`]),
    ...(event === undefined ? [] : [`event: ${event}\n`]),
    // JSON has no line breaks of its own.
    ...(data === undefined ? [] : [`data: ${JSON.stringify(data)}\n`]),
    '\n',
  ].join('');
}

function encoded(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
