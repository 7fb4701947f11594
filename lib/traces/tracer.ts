import type { TraceContext } from './trace-context.ts';

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes spans, and sends them off in the background. What becomes of them is nobody's business: nothing here throws or waits. */
export interface Tracer {
  begin(span: SpanStart): TracedSpan;
  /** Sends what is left, for at most so many milliseconds, and ends. Never rejects. */
  stop(withinMs: number): Promise<void>;
}

export interface SpanStart {
  name: string;
  /** The span that it is below; without, it begins a trace. */
  parent?: TraceContext | undefined;
  /** Of a span that begins a trace: what made it. One that was not sampled makes no trace either. */
  cause?: TraceContext | undefined;
  /** Its own id, where it was told to others before. */
  id?: string | undefined;
  /** Whether somebody asked for it from outside, and waits. */
  isAnswer?: boolean;
  /** Now, unless it says otherwise. */
  startedAt?: Date | undefined;
  attributes?: Attributes;
}

export interface TracedSpan {
  readonly context: TraceContext;
  note(attributes: Attributes): void;
  /** Something at a moment of it; of many the last hundred are kept. */
  event(name: string, attributes?: Attributes, at?: Date): void;
  /** `fault`: why it is one that failed. */
  end(how?: { at?: Date | undefined; fault?: string | undefined }): void;
}

/** Who writes the spans. */
export interface Identity {
  /** Its name where the environment gives it none. */
  service: string;
  version: string;
  attributes?: Readonly<Record<string, string>>;
}
