import { basename } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import { formatTraceParent, parseTraceParent } from '../lib/traces/trace-context.ts';
import type { TracedSpan, Tracer } from '../lib/traces/tracer.ts';
import type { Ending } from './ending.ts';
import type { Claim } from './link.ts';
import type { CommandExit } from './process.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';

/** The parts of an attempt that are told of: a handful, however long it takes. */
export type Part = 'download' | 'command' | 'flush' | 'upload' | 'report';

/** What an attempt is in its job's trace. Where nobody writes spans, the parts just run. */
export interface AttemptTrace {
  /** For the log; undefined where the job has no trace. */
  readonly traceId: string | undefined;
  /** Runs one part. `traceParent` is what goes on from there, for the part's own doings; undefined where the job has no trace. */
  part<Result>(name: Part, work: (traceParent: string | undefined) => Promise<Result>): Promise<Result>;
  /** How the command that runs as a part has ended. */
  exited(exit: CommandExit): void;
  /** A burst of files was published that a successor can go on from. */
  saved(): void;
  ended(ending: Ending): void;
}

export interface AttemptTraceParts {
  tracer: Tracer | undefined;
  claim: Pick<Claim, 'job' | 'attempt' | 'traceParent'>;
  sync: Pick<AttemptSync, 'counts' | 'state'>;
}

/** Begins the attempt's own span, below the server's where the claim named one. */
export function traceAttempt({ tracer, claim, sync }: AttemptTraceParts): AttemptTrace {
  const parent = parseTraceParent(claim.traceParent);
  if (tracer === undefined) return untraced(parent && formatTraceParent(parent), parent?.traceId);
  const whole = tracer.begin({
    ...{ name: 'run attempt', parent },
    attributes: { 'kelpie.job.id': claim.job.id, 'kelpie.attempt.number': claim.attempt.number },
  });
  let command: TracedSpan | undefined;
  const told = { files: 0, bytes: 0 };
  return {
    traceId: whole.context.traceId,
    async part(name, work) {
      const span = tracer.begin({ name, parent: whole.context, attributes: attributesOf(name, claim) });
      const before = sync.counts();
      if (name === 'command') command = span;
      let fault: string | undefined;
      try {
        return await work(formatTraceParent(span.context));
      } catch (error) {
        fault = firstLine(messageOf(error));
        throw error;
      } finally {
        if (name === 'command') command = undefined;
        span.note(carried(name, before, sync.counts()));
        span.end({ fault });
      }
    },
    exited({ exitCode, signal }) {
      command?.note({ 'process.exit.code': exitCode ?? undefined, 'kelpie.command.signal': signal ?? undefined });
    },
    saved() {
      const { files, bytes } = sync.state().checkpoints;
      command?.event('checkpoint saved', {
        'kelpie.sync.files': files - told.files,
        'kelpie.sync.bytes': bytes - told.bytes,
      });
      Object.assign(told, { files, bytes });
    },
    ended(ending) {
      whole.note({ 'kelpie.attempt.outcome': ending.kind });
      whole.end({ fault: faultOf(ending) });
    },
  };
}

/** What was begun elsewhere is handed on to the command as it came. */
function untraced(traceParent: string | undefined, traceId: string | undefined): AttemptTrace {
  return {
    traceId,
    part: (_name, work) => work(traceParent),
    exited: () => undefined,
    saved: () => undefined,
    ended: () => undefined,
  };
}

/** Of the command its name alone: arguments, also where they were written into the command, and environment are where secrets are. */
function attributesOf(name: Part, { job }: AttemptTraceParts['claim']) {
  return name === 'command' ? { 'process.executable.name': basename(job.command.trim().split(/\s/, 1)[0] ?? '') } : {};
}

type Counts = ReturnType<AttemptSync['counts']>;

function carried(name: Part, before: Counts, after: Counts) {
  const direction = name === 'download' ? 'Downloaded' : 'Uploaded';
  return {
    'kelpie.sync.files': after[`files${direction}`] - before[`files${direction}`],
    'kelpie.sync.bytes': after[`bytes${direction}`] - before[`bytes${direction}`],
  };
}

function faultOf(ending: Ending): string | undefined {
  if (ending.kind === 'COMPLETED' || ending.kind === 'CANCELED') return undefined;
  if ('exitCode' in ending) return `The command exited with code ${ending.exitCode}`;
  if ('signal' in ending) return `The command was ended by ${ending.signal}`;
  return 'reason' in ending ? firstLine(ending.reason) : ending.kind;
}

/** Below it may stand what the command wrote. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0]?.slice(0, 256) ?? '';
}
