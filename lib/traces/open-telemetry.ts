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
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { messageOf } from '../errors.ts';
import { atMost } from '../pause.ts';
import { createLosses, type Losses } from './losses.ts';
import type { TraceSettings } from './settings.ts';
import type { TraceContext } from './trace-context.ts';
import type { Attributes, Identity, SpanStart, TracedSpan, Tracer } from './tracer.ts';

/** Characters of an attribute. */
const LONGEST_VALUE = 1_024;
const MOST_EVENTS = 100;

/** Nothing but `openTracer` imports this: it brings the libraries along. */
export function createTracer(settings: TraceSettings, identity: Identity, onTrouble: (reason: string) => void): Tracer {
  const ids = new GivenIds();
  const losses = createLosses(settings.queue.most, onTrouble);
  const processor = countedProcessor(settings, losses);
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
    spanProcessors: [processor],
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
    async stop(withinMs) {
      // A batch that fails, which is counted, ends it before others are answered.
      await atMost(withinMs, provider.shutdown()).catch(() => undefined);
      if (processor.left() > 0) losses.unsent(processor.left(), 'the program ends');
      losses.tell();
    },
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

/** Sends in batches, and counts what becomes of them: of what it drops, the library tells nobody. */
function countedProcessor(settings: TraceSettings, losses: Losses): SpanProcessor & { left(): number } {
  const exporter = exporterOf(settings);
  let waiting = 0;
  let unanswered = 0;
  const processor = new BatchSpanProcessor({
    exporter: {
      export(spans, done) {
        waiting -= spans.length;
        unanswered += spans.length;
        exporter.export(spans, (result) => {
          unanswered -= spans.length;
          if (result.error !== undefined) losses.unsent(spans.length, faultOf(result.error));
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
    },
    maxQueueSize: settings.queue.most,
    maxExportBatchSize: settings.queue.batch,
    scheduledDelayMillis: settings.queue.delayMillis,
    // The exporter gives up by itself before.
    exportTimeoutMillis: settings.timeoutMillis + 5_000,
  });
  return {
    onStart: (span, context) => processor.onStart(span, context),
    onEnd(span) {
      const isSampled = (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
      if (isSampled && waiting >= settings.queue.most) losses.dropped();
      else if (isSampled) waiting += 1;
      processor.onEnd(span);
    },
    forceFlush: () => processor.forceFlush(),
    shutdown: () => processor.shutdown(),
    left: () => waiting + unanswered,
  };
}

/** What the collector writes into its answer stays out: it may repeat what it was sent. */
function faultOf(error: Error): string {
  const status = 'code' in error && typeof error.code === 'number' ? ` (status ${error.code})` : '';
  return `${messageOf(error).slice(0, 200) || 'no reason was given'}${status}`;
}
