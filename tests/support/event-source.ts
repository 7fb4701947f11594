import { z } from 'zod';

/** One event of a stream, as a client sees it. */
export interface HeardEvent {
  id: string | undefined;
  event: string;
  data: Record<string, unknown>;
}

/** A client of server-sent events that keeps what it hears. */
export interface TestEventSource {
  status: number;
  headers: Headers;
  heard: readonly HeardEvent[];
  /** What the client would bring back as `Last-Event-ID`. */
  lastId(): string | undefined;
  ended(): boolean;
  /** Hangs up. */
  close(): Promise<void>;
}

export async function openEventSource(
  url: string,
  key: string | undefined,
  headers: Record<string, string> = {},
): Promise<TestEventSource> {
  const leaving = new AbortController();
  const response = await fetch(url, {
    headers: { Accept: 'text/event-stream', ...(key !== undefined && { 'X-Kelpie-Key': key }), ...headers },
    signal: leaving.signal,
  });
  const heard: HeardEvent[] = [];
  let lastId: string | undefined;
  let ended = false;
  const reading = (async () => {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const { id, event, data } = fieldsOf(block);
        lastId = id ?? lastId;
        if (data !== undefined) heard.push({ id, event: event ?? 'message', data: parsed(data) });
      }
    }
  })()
    // Cut off, by either side.
    .catch(() => undefined)
    .finally(() => (ended = true));
  return {
    status: response.status,
    headers: response.headers,
    heard,
    lastId: () => lastId,
    ended: () => ended,
    async close() {
      leaving.abort();
      await reading;
    },
  };
}

function fieldsOf(block: string): { id?: string; event?: string; data?: string } {
  const lines = block.split('\n').filter((line) => !line.startsWith(':'));
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
}

function parsed(data: string): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(JSON.parse(data));
}
