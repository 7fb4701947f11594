import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatTraceParent, parseTraceParent, placeBelow } from '../../../lib/traces/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

const hex = (length: number) =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => !/^0+$/.test(text));
const contexts = fc.record({ traceId: hex(32), spanId: hex(16), isSampled: fc.boolean() });

describe('a traceparent', () => {
  test('says what it was made of', () => {
    fc.assert(
      fc.property(contexts, (context) => {
        expect(parseTraceParent(formatTraceParent(context))).toEqual(context);
      }),
    );
  });

  test('of a later version counts as far as it is like the first', () => {
    const context = { traceId: TRACE, spanId: SPAN, isSampled: true };
    expect(parseTraceParent(`00-${TRACE}-${SPAN}-01`)).toEqual(context);
    expect(parseTraceParent(`cc-${TRACE}-${SPAN}-09-what-the-future-will-be-like`)).toEqual(context);
    expect(parseTraceParent(`00-${TRACE}-${SPAN}-02`)).toEqual({ ...context, isSampled: false });
  });

  test.for([
    ['nothing', ''],
    ['of no text', 17],
    ['of a version that is none', `ff-${TRACE}-${SPAN}-01`],
    ['of version 00 with more than it has', `00-${TRACE}-${SPAN}-01-more`],
    ['of a later version with something stuck to it', `cc-${TRACE}-${SPAN}-01more`],
    ['in upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['without a trace', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['without a span', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['cut short', `00-${TRACE}-${SPAN}`],
    ['with a line more', `00-${TRACE}-${SPAN}-01\n`],
    ['sent twice', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ] as const)('%s is none', ([, text]) => {
    expect(parseTraceParent(text)).toBeUndefined();
  });
});

describe('a place below another', () => {
  test('is the same for all who know what it is about, and another for anybody else', () => {
    fc.assert(
      fc.property(contexts, contexts, fc.string(), fc.string(), (one, other, about, more) => {
        const place = placeBelow(one, about);
        expect(place).toEqual(placeBelow({ ...one }, about));
        expect(place).toEqual({ ...one, spanId: expect.stringMatching(/^[0-9a-f]{16}$/) as string });
        expect(placeBelow(one, `${about}${more}.`).spanId).not.toBe(place.spanId);
        if (one.spanId !== other.spanId) expect(placeBelow(other, about).spanId).not.toBe(place.spanId);
      }),
    );
  });
});
