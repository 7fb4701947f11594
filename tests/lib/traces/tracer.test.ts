import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Tracer } from '../../../lib/traces/tracer.ts';
import { type Collector, sendingTo, startCollector, tracerFor } from '../../support/collector.ts';

const ON = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true };
const OFF = { ...ON, isSampled: false };

let collector: Collector;
let tracer: Tracer | undefined;
beforeAll(async () => {
  collector = await startCollector();
});
afterAll(() => collector.close());
afterEach(async () => {
  await tracer?.stop(0);
  Object.assign(collector, { requests: [], spans: [], manner: 'TAKES' });
});

async function open(more: Record<string, string> = {}, onTrouble?: (reason: string) => void): Promise<Tracer> {
  tracer = await tracerFor({ ...sendingTo(collector), ...more }, onTrouble);
  return tracer;
}

describe('a span', () => {
  test('is sent with all that was said of it', async () => {
    const own = await open({
      OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20token',
      OTEL_SERVICE_NAME: 'shepherd',
    });
    const span = own.begin({
      ...{ name: 'work', parent: ON, id: 'c'.repeat(16), startedAt: new Date(1_000) },
      attributes: { text: 'a', number: 2, is: true, none: undefined },
    });
    span.note({ more: 'b'.repeat(2_000) });
    span.event('moment', { n: 1 });
    span.end({ at: new Date(3_500), fault: 'it did not work' });
    expect(await collector.trace(ON.traceId, ['work'])).toMatchObject([
      {
        service: 'shepherd',
        spanId: 'c'.repeat(16),
        parent: ON.spanId,
        from: 1_000,
        to: 3_500,
        attributes: { text: 'a', number: 2, is: true, more: 'b'.repeat(1_024) },
        events: [{ name: 'moment', attributes: { n: 1 } }],
        fault: 'it did not work',
      },
    ]);
    expect(collector.requests[0]).toMatchObject({ path: '/v1/traces', headers: { authorization: 'Bearer token' } });
  });

  test('keeps a hundred events of many', async () => {
    const span = (await open()).begin({ name: 'long' });
    for (let n = 0; n < 300; n += 1) span.event('saved', { n });
    span.end();
    const [sent] = await collector.trace(undefined, ['long']);
    expect(sent?.events).toHaveLength(100);
  });

  test('goes out in the binary form unless something else is set, compressed where that is', async () => {
    const span = (await open({ OTEL_EXPORTER_OTLP_PROTOCOL: '' })).begin({ name: 'binary' });
    span.end();
    await collector.asked(1);
    expect(collector.requests[0]?.headers['content-type']).toBe('application/x-protobuf');
    expect(collector.requests[0]?.body.includes('binary')).toBe(true);
    expect(collector.requests[0]?.body.includes(Buffer.from(span.context.traceId, 'hex'))).toBe(true);
    await tracer?.stop(5_000);
    (await open({ OTEL_EXPORTER_OTLP_PROTOCOL: '', OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }))
      .begin({ name: 'x' })
      .end();
    await collector.asked(2);
    expect(collector.requests[1]?.headers['content-encoding']).toBe('gzip');
  });
});

describe('what is written', () => {
  const isSampled = async (sampler: Record<string, string>, start: object): Promise<boolean> => {
    const { context } = (await open(sampler)).begin({ name: 'one', ...start });
    return context.isSampled;
  };

  test('follows its parent, and without one is everything', async () => {
    expect(await isSampled({}, { parent: ON })).toBe(true);
    expect(await isSampled({}, { parent: OFF })).toBe(false);
    expect(await isSampled({}, {})).toBe(true);
    expect(await isSampled({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, { parent: ON })).toBe(true);
    expect(await isSampled({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, {})).toBe(false);
  });

  test('or what the sampler says, whatever its parent is', async () => {
    expect(await isSampled({ OTEL_TRACES_SAMPLER: 'always_on' }, { parent: OFF })).toBe(true);
    expect(await isSampled({ OTEL_TRACES_SAMPLER: 'always_off' }, { parent: ON })).toBe(false);
    const none = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' };
    expect(await isSampled(none, { parent: ON })).toBe(false);
  });

  test('is nothing that was caused by what is not written; what was is linked to it, in a trace of its own', async () => {
    const own = await open();
    const unwritten = own.begin({ name: 'unwritten', cause: OFF });
    unwritten.end();
    const written = own.begin({ name: 'written', cause: ON });
    written.end();
    expect(unwritten.context).toMatchObject({ isSampled: false });
    expect(unwritten.context.traceId).not.toBe(OFF.traceId);
    const [span] = await collector.trace(written.context.traceId, ['written']);
    expect(written.context.traceId).not.toBe(ON.traceId);
    expect(span).toMatchObject({ parent: undefined, links: [`${ON.traceId}-${ON.spanId}`] });
    expect(collector.spans.map(({ name }) => name)).toEqual(['written']);
  });
});

function lostIn(troubles: readonly string[]): number {
  return troubles.reduce((sum, told) => sum + Number(/^Spans are lost, (\d+) of them/.exec(told)?.[1]), 0);
}

describe('a collector', () => {
  test('that fails is told of once, without what it answers', async () => {
    collector.manner = 'FAILS';
    const troubles: string[] = [];
    const own = await open({ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1' }, (reason) => troubles.push(reason));
    for (const name of ['a', 'b', 'c']) own.begin({ name }).end();
    await collector.asked(3);
    await own.stop(5_000);
    // One line, or two where the machine stood still for a second in between.
    expect(troubles.length).toBeLessThanOrEqual(2);
    for (const told of troubles) {
      expect(told).toMatch(/^Spans are lost, \d of them; \d could not be sent: [^\n]*\(status 500\)$/);
    }
    expect(lostIn(troubles)).toBe(3);
  });

  test('that hangs holds up neither the work nor the end, and what is lost by it is told, of much that waits the rest', async () => {
    collector.manner = 'HANGS';
    const troubles: string[] = [];
    const own = await open(
      {
        ...{ OTEL_BSP_MAX_QUEUE_SIZE: '10', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '5' },
        OTEL_EXPORTER_OTLP_TIMEOUT: '600000',
      },
      (reason) => troubles.push(reason),
    );
    for (let n = 0; n < 1_000; n += 1) own.begin({ name: `span ${n}` }).end();
    await collector.asked(1);
    await own.stop(50);
    const sent = collector.requests.map(({ body }) => body.toString().split('"name":"span').length - 1);
    expect(sent.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(20);
    // Five are asked of it, ten wait.
    expect(lostIn(troubles)).toBe(1_000);
    expect(troubles.join('\n')).toContain('15 could not be sent: the program ends');
    expect(troubles.join('\n')).toContain('985 found no place, as 10 were waiting (OTEL_BSP_MAX_QUEUE_SIZE)');
  });

  test('that is slow loses nothing that finds a place, and nothing is told', async () => {
    const troubles: string[] = [];
    const own = await open({ OTEL_BSP_MAX_QUEUE_SIZE: '10' }, (reason) => troubles.push(reason));
    for (let round = 0; round < 3; round += 1) {
      for (let n = 0; n < 10; n += 1) own.begin({ name: `${round}` }).end();
      await collector.trace(undefined, Array<string>(10).fill(`${round}`));
    }
    await own.stop(5_000);
    expect(troubles).toEqual([]);
  });
});
