import type { SubscribePayload } from 'graphql-ws';
import type { TraceParts } from '../core/traces/job-traces.ts';
import { traceConfig } from '../lib/traces/settings.ts';
import { parseTraceParent, type TraceContext } from '../lib/traces/trace-context.ts';
import { openTracer } from '../lib/traces/open.ts';
import { VERSION } from '../lib/version.ts';
import { currentTrace } from './about.ts';
import type { Config } from './config.ts';
import { readerOf } from './credentials.ts';
import type { Logger } from './log.ts';
import { headersOf } from './socket-door.ts';

const SERVICE = 'kelpie-server';
/** What is left is sent when the server stops, within so many milliseconds. */
const FLUSH_MS = 3_000;

export interface Traces extends TraceParts {
  /** Sends what is left, within bounds. Never rejects. */
  stop(): Promise<void>;
}

/** Traces as the settings want them. Where they want none, nothing is loaded; contexts that come along are handed on all the same. */
export async function openTraces(config: Config, log: Logger): Promise<Traces> {
  const { settings, joins, warnings } = traceConfig(config);
  for (const warning of warnings) log.warn({ warning }, 'A setting of traces cannot be used');
  const asking: TraceParts['asking'] = joins ? currentTrace : () => undefined;
  if (settings === undefined) return { tracer: undefined, asking, stop: async () => undefined };
  const identity = { service: SERVICE, version: VERSION };
  const tracer = await openTracer(settings, identity, (reason) => log.warn({ reason }, 'Traces are incomplete'));
  log.info({ collector: new URL(settings.url).origin }, 'Traces are written');
  return { tracer, asking, stop: () => tracer.stop(FLUSH_MS) };
}

/** Where the sender of an operation on a socket is in a trace: as the operation says, or else whoever opened the socket said. */
export function traceOf(
  operation: Pick<SubscribePayload, 'extensions'>,
  ofSocket: TraceContext | undefined,
): TraceContext | undefined {
  return traceIn(headersOf(operation)) ?? ofSocket;
}

/** What parameters that stand for headers say of a trace. */
export function traceIn(parameters: Readonly<Record<string, unknown>> | undefined): TraceContext | undefined {
  return parseTraceParent(readerOf(parameters)('traceparent'));
}
