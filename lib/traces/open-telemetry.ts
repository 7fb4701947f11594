import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import {
  type Attributes as OtelAttributes,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer as OtelTracer,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  type IdGenerator,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { messageOf } from '../errors.ts';
import { atMost } from '../pause.ts';
import type { TraceSettings } from './settings.ts';
import type { TraceContext } from './trace-context.ts';
import type { Attributes, Identity, SpanStart, TracedSpan, Tracer } from './tracer.ts';

/** Characters of an attribute. */
const LONGEST_VALUE = 1_024;
const MOST_EVENTS = 100;

/** Nothing but `openTracer` imports this: it brings the libraries along. */
export function createTracer(settings: TraceSettings, identity: Identity, onTrouble: (reason: string) => void): Tracer {
  const ids = new GivenIds();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': identity.service,
      'service.version': identity.version,
      'service.instance.id': randomUUID(),
      ...identity.attributes,
      ...settings.attributes,
      ...(settings.service === undefined ? {} : { 'service.name': settings.service }),
    }),
    sampler: samplerOf(settings.sampler),
    idGenerator: ids,
    spanLimits: { attributeValueLengthLimit: LONGEST_VALUE, eventCountLimit: MOST_EVENTS },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: watched(exporterOf(settings), onTrouble),
        maxQueueSize: settings.queue.most,
        maxExportBatchSize: settings.queue.batch,
        scheduledDelayMillis: settings.queue.delayMillis,
        // The exporter gives up by itself before.
        exportTimeoutMillis: settings.timeoutMillis + 5_000,
      }),
    ],
  });
  const tracer = provider.getTracer('kelpie', identity.version);
  const isObedient = settings.sampler.isParentBased;
  return {
    begin(start) {
      const { cause } = start;
      // Of a trace that is not written, nothing that it causes is, where the sampler goes by parents.
      if (cause !== undefined && !cause.isSampled && isObedient) return unwritten(ids);
      return spanOf(ids.giving(start.id, () => startSpan(tracer, start)));
    },
    // What could not be sent, the exporter has told of.
    stop: (withinMs) => atMost(withinMs, provider.shutdown()).catch(() => undefined),
  };
}

function startSpan(tracer: OtelTracer, { name, parent, cause, isAnswer, startedAt, attributes = {} }: SpanStart): Span {
  const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote(parent));
  const options = {
    kind: isAnswer === true ? SpanKind.SERVER : SpanKind.INTERNAL,
    attributes: given(attributes),
    links: cause === undefined ? [] : [{ context: remote(cause) }],
    ...(startedAt === undefined ? {} : { startTime: startedAt }),
  };
  return tracer.startSpan(name, options, context);
}

function remote({ traceId, spanId, isSampled }: TraceContext) {
  return { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

function given(attributes: Attributes): OtelAttributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}

function spanOf(span: Span): TracedSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    context: { traceId, spanId, isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0 },
    note: (attributes) => void span.setAttributes(given(attributes)),
    event: (name, attributes = {}, at) => void span.addEvent(name, given(attributes), at),
    end({ at, fault } = {}) {
      if (fault !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: fault.slice(0, LONGEST_VALUE) });
      span.end(at);
    },
  };
}

function unwritten(ids: GivenIds): TracedSpan {
  const context = { traceId: ids.generateTraceId(), spanId: ids.generateSpanId(), isSampled: false };
  return { context, note: () => undefined, event: () => undefined, end: () => undefined };
}

/**
 * Ids that nobody guesses, which the library's own are not: whoever knows a trace can add to it. A span whose id was told to others before
 * it was begun gets that one.
 */
class GivenIds implements IdGenerator {
  #next: string | undefined;

  /** The span that `begin` starts, without waiting for anything, gets this id. */
  giving<Result>(id: string | undefined, begin: () => Result): Result {
    this.#next = id;
    try {
      return begin();
    } finally {
      this.#next = undefined;
    }
  }

  generateTraceId(): string {
    return randomBytes(16).toString('hex');
  }

  generateSpanId(): string {
    return this.#next ?? randomBytes(8).toString('hex');
  }
}

function samplerOf({ kind, isParentBased, ratio }: TraceSettings['sampler']): Sampler {
  const root = rootSampler(kind, ratio);
  return isParentBased ? new ParentBasedSampler({ root }) : root;
}

function rootSampler(kind: TraceSettings['sampler']['kind'], ratio: number): Sampler {
  switch (kind) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio);
  }
}

function exporterOf({ url, headers, protocol, isCompressed, timeoutMillis }: TraceSettings): SpanExporter {
  type Options = NonNullable<ConstructorParameters<typeof JsonExporter>[0]>;
  const options: Options = {
    ...{ url, headers: { ...headers }, timeoutMillis },
    compression: isCompressed ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE,
    // The process's own connections, which go through the proxies that it was told of.
    httpAgentOptions: (scheme) => (scheme === 'http:' ? http.globalAgent : https.globalAgent),
  };
  return protocol === 'http/json' ? new JsonExporter(options) : new ProtobufExporter(options);
}

const TELL_AT_MOST_EVERY_MS = 60_000;

/** Tells of what could not be sent, and is lost: once a minute, as a collector may be away for long. */
function watched(exporter: SpanExporter, onTrouble: (reason: string) => void): SpanExporter {
  let lost = 0;
  let toldAt = -Infinity;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        done(result);
        if (result.error === undefined) return;
        lost += spans.length;
        if (performance.now() - toldAt < TELL_AT_MOST_EVERY_MS) return;
        toldAt = performance.now();
        onTrouble(`${lost} spans could not be sent, and are lost: ${faultOf(result.error)}`);
        lost = 0;
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

/** What the collector writes into its answer stays out: it may repeat what it was sent. */
function faultOf(error: Error): string {
  const status = 'code' in error && typeof error.code === 'number' ? ` (status ${error.code})` : '';
  return `${messageOf(error).slice(0, 200) || 'no reason was given'}${status}`;
}
