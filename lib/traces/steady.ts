import { randomBytes } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { type Attempt, createAttempt } from './attempt.ts';
import type { SpanStart, TracedSpan, Tracer } from './tracer.ts';

/** The same tracer, of which nothing throws: what is traced goes on, whatever the libraries below come upon. */
export function steady(tracer: Tracer, onTrouble: (reason: string) => void): Tracer {
  const attempt = createAttempt((error) => onTrouble(messageOf(error)));
  return {
    begin: (start) =>
      attempt(
        () => steadySpan(tracer.begin(start), attempt),
        () => unwritten(start),
      ),
    stop: (withinMs) => tracer.stop(withinMs),
  };
}

function steadySpan(span: TracedSpan, attempt: Attempt): TracedSpan {
  const nothing = (): void => undefined;
  return {
    context: span.context,
    note: (attributes) => attempt(() => span.note(attributes), nothing),
    event: (name, attributes, at) => attempt(() => span.event(name, attributes, at), nothing),
    end: (how) => attempt(() => span.end(how), nothing),
  };
}

/** What goes on from it goes on from its parent. */
function unwritten({ parent }: SpanStart): TracedSpan {
  const own = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), isSampled: false };
  return { context: parent ?? own, note: () => undefined, event: () => undefined, end: () => undefined };
}
