import { AsyncLocalStorage } from 'node:async_hooks';
import { whenAborted } from '../../lib/pause.ts';
import { orSilence, SILENCE } from './heartbeat.ts';

/** How the parts of a stream are written, and what follows the last. */
export interface Encoding<Part> {
  encode: (part: Part) => string;
  end: string;
  /** Told when nothing else has been for a while; none where every text would be taken for a part. */
  heartbeat?: string;
}

export interface StreamParts<Part> extends Encoding<Part> {
  parts: AsyncGenerator<Part, void, undefined>;
  /** Aborted when the server stops: what goes on until then breaks off. What ends by itself is left to end. */
  stopping?: AbortSignal;
  /** Closes the connection without an end, which its reader can tell from one. */
  hangUp: () => void;
  onError: (error: unknown) => void;
  /** Milliseconds; by default as `orSilence` has it. */
  heartbeatMs?: number;
}

/**
 * A body that reads `parts` as fast as its own reader takes it: the next one is asked for when the last is gone, so nothing is
 * kept for a slow reader. When `stopping` is aborted, and when `parts` fail, it breaks off: the framework would tell the reader the
 * error's own words.
 */
export function streamOf<Part>({ parts, stopping, hangUp, onError, heartbeatMs, ...encoding }: StreamParts<Part>) {
  const encoder = new TextEncoder();
  const { encode, end, heartbeat } = encoding;
  const left = new AbortController();
  // Its reader may pull on nobody's behalf.
  const within = AsyncLocalStorage.snapshot();
  let coming: ReturnType<typeof parts.next> | undefined;
  const leave = async (): Promise<void> => {
    left.abort();
    await parts.return();
  };
  if (stopping !== undefined) void whenAborted(stopping, left.signal).then(hangUp);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          coming ??= within(() => parts.next());
          const step = heartbeat === undefined ? await coming : await orSilence(coming, heartbeatMs);
          if (left.signal.aborted) return;
          if (step === SILENCE) {
            controller.enqueue(encoder.encode(heartbeat));
            return;
          }
          coming = undefined;
          const text = step.done === true ? end : encode(step.value);
          if (text !== '') controller.enqueue(encoder.encode(text));
          if (step.done !== true) return;
          left.abort();
          controller.close();
        } catch (error) {
          onError(error);
          hangUp();
        }
      },
      // Also when the connection is gone.
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
