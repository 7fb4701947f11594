import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { listenLocally } from '../../lib/port.ts';
import { traceConfig } from '../../lib/traces/settings.ts';
import { openTracer } from '../../lib/traces/open.ts';
import type { Tracer } from '../../lib/traces/tracer.ts';

/** Somebody who is sent traces by OTLP over HTTP, and understands its JSON. */
export interface Collector {
  url: string;
  requests: { path: string | undefined; headers: IncomingHttpHeaders; body: Buffer }[];
  /** What has come so far, in the order of its coming. */
  spans: ReceivedSpan[];
  /** What happens to what comes from now on. */
  manner: 'TAKES' | 'FAILS' | 'HANGS';
  /** The spans of a trace, when so many of these names have come; the order is that of their beginnings. */
  trace(traceId: string | undefined, names: readonly string[]): Promise<ReceivedSpan[]>;
  /** Resolves when so many requests have come. */
  asked(times: number): Promise<void>;
  close(): Promise<void>;
}

export interface ReceivedSpan {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parent: string | undefined;
  kind: number;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  attributes: Record<string, unknown>;
  events: { name: string; attributes: Record<string, unknown> }[];
  links: string[];
  fault: string | undefined;
}

const PATIENCE_MS = 20_000;

export async function startCollector(): Promise<Collector> {
  const news = new EventEmitter().setMaxListeners(100);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url: path, headers } = request;
      const body = Buffer.concat(chunks);
      const isJson = headers['content-type'] === 'application/json';
      collector.requests.push({ path, headers, body });
      if (collector.manner === 'TAKES' && isJson) collector.spans.push(...spansIn(JSON.parse(body.toString())));
      news.emit('news');
      if (collector.manner === 'HANGS') return;
      response.writeHead(collector.manner === 'FAILS' ? 500 : 200, { 'Content-Type': headers['content-type'] });
      response.end(isJson ? '{}' : '');
    });
  });
  const port = await listenLocally(server);
  const until = async (what: string, fits: () => boolean): Promise<void> => {
    const late = AbortSignal.timeout(PATIENCE_MS);
    while (!fits()) {
      if (late.aborted)
        throw new Error(`${what} did not come; there are ${collector.spans.map(({ name }) => name).join(', ')}`);
      await once(news, 'news', { signal: late }).catch(() => undefined);
    }
  };
  const collector: Collector = {
    url: `http://127.0.0.1:${port}`,
    requests: [],
    spans: [],
    manner: 'TAKES',
    async trace(traceId, names) {
      const found = () => collector.spans.filter((span) => traceId === undefined || span.traceId === traceId);
      const isThere = () => {
        const left = found().map(({ name }) => name);
        return names.every((name) => {
          const at = left.indexOf(name);
          return at >= 0 && left.splice(at, 1).length === 1;
        });
      };
      await until(names.join(', '), isThere);
      return found().toSorted((a, b) => a.from - b.from);
    },
    asked: (times) => until(`${times} requests`, () => collector.requests.length >= times),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return collector;
}

/** What a program's environment has to be for its traces to come here, soon. */
export function sendingTo(collector: Collector): Record<string, string> {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '20',
  };
}

/** A tracer as a program has it whose environment is this. */
export async function tracerFor(
  environment: Record<string, string>,
  onTrouble: (reason: string) => void = () => undefined,
): Promise<Tracer> {
  const { settings } = traceConfig(environment);
  if (settings === undefined) throw new Error('Expected settings that want traces');
  return openTracer(settings, { service: 'kelpie-tests', version: '0' }, onTrouble);
}

const value = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
  z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
  z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
]);
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .default([])
  .transform((pairs) => Object.fromEntries(pairs.map((pair) => [pair.key, pair.value])));
const time = z.coerce.bigint().transform((nanos) => Number(nanos / 1_000n) / 1_000);
const ERROR = 2;
const span = z.object({
  name: z.string(),
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z.string().optional(),
  kind: z.number(),
  startTimeUnixNano: time,
  endTimeUnixNano: time,
  attributes,
  events: z.array(z.object({ name: z.string(), attributes })).default([]),
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
  status: z.object({ code: z.number().default(0), message: z.string().default('') }),
});
const request = z.object({
  resourceSpans: z.array(
    z.object({ resource: z.object({ attributes }), scopeSpans: z.array(z.object({ spans: z.array(span) })) }),
  ),
});

function spansIn(body: unknown): ReceivedSpan[] {
  return request.parse(body).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ parentSpanId, startTimeUnixNano, endTimeUnixNano, status, links, ...rest }) => ({
        ...rest,
        service: String(resource.attributes['service.name']),
        parent: parentSpanId === '' ? undefined : parentSpanId,
        from: startTimeUnixNano,
        to: endTimeUnixNano,
        links: links.map((link) => `${link.traceId}-${link.spanId}`),
        fault: status.code === ERROR ? status.message : undefined,
      })),
    ),
  );
}
