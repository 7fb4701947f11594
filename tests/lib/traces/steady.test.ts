import { expect, test } from 'vitest';
import { steady } from '../../../lib/traces/steady.ts';
import type { TracedSpan, Tracer } from '../../../lib/traces/tracer.ts';

const PARENT = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true };
const fails = () => {
  throw new Error('at a loss');
};

function tracerThat(begin: Tracer['begin']): { tracer: Tracer; troubles: string[] } {
  const troubles: string[] = [];
  return { tracer: steady({ begin, stop: async () => undefined }, (reason) => troubles.push(reason)), troubles };
}

test('a span that cannot be begun is none, and what is below it is below its parent', () => {
  const { tracer, troubles } = tracerThat(fails);
  const below = tracer.begin({ name: 'below', parent: PARENT });
  const alone = tracer.begin({ name: 'alone' });
  for (const span of [below, alone]) {
    span.note({ a: 1 });
    span.event('b');
    span.end();
  }
  expect(below.context).toEqual(PARENT);
  expect(alone.context).toMatchObject({ isSampled: false });
  expect(troubles).toEqual(['at a loss']);
});

test('a span that takes nothing does not say so to whoever tells it', () => {
  const span: TracedSpan = { context: PARENT, note: fails, event: fails, end: fails };
  const { tracer, troubles } = tracerThat(() => span);
  const begun = tracer.begin({ name: 'one' });
  begun.note({ a: 1 });
  begun.event('b');
  begun.end();
  expect(begun.context).toEqual(PARENT);
  expect(troubles).toEqual(['at a loss']);
});

test('what it is told comes through', () => {
  const told: unknown[] = [];
  const note = (...what: unknown[]): void => void told.push(what);
  const { tracer } = tracerThat(() => ({ context: PARENT, note, event: note, end: note }));
  const span = tracer.begin({ name: 'one' });
  span.note({ a: 1 });
  span.event('b', { c: 2 }, new Date(3));
  span.end({ fault: 'd' });
  expect(told).toEqual([[{ a: 1 }], ['b', { c: 2 }, new Date(3)], [{ fault: 'd' }]]);
});
