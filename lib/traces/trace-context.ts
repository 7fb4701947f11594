import { createHash } from 'node:crypto';

/** A place in a trace that others can continue from, as W3C Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all of them 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits, not all of them 0. */
  readonly spanId: string;
  /** Whether who began it wants it written down. */
  readonly isSampled: boolean;
}

const SAMPLED = 0x01;
/** The bytes of a version that has only what version 00 has. */
const LENGTH = 55;

/**
 * Reads a `traceparent` (https://www.w3.org/TR/trace-context/): of later versions the part that is like version 00. Undefined for whatever is
 * none: who sends nonsense has no trace.
 */
export function parseTraceParent(text: unknown): TraceContext | undefined {
  if (typeof text !== 'string') return undefined;
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(text);
  const [, version = '', traceId = '', spanId = '', flags = ''] = match ?? [];
  if (match === null || version === 'ff' || (version === '00' && text.length !== LENGTH)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

/** As a `traceparent`, version 00. */
export function formatTraceParent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/**
 * The place of a span below another one that has not begun yet, or is written by somebody else: whoever knows the other one, and what this
 * one is about, comes to the same id.
 */
export function placeBelow(parent: TraceContext, about: string): TraceContext {
  const digest = createHash('sha256').update(`${parent.traceId} ${parent.spanId} ${about}`).digest('hex');
  return { ...parent, spanId: digest.slice(0, 16) };
}
