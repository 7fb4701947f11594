import { z } from 'zod';
import type { StoredLine } from '../../db/entities/job-log.ts';
import { listOf } from '../../lib/few-faults.ts';
import { text } from '../jobs/fields.ts';

/** Where a line comes from: the command, or (KELPIE) this product itself, which says what is not there and what happened. */
const logStreams = ['STDOUT', 'STDERR', 'KELPIE'] as const;
export type LogStream = (typeof logStreams)[number];

/** One line as an agent sends it. `afterMillis` counts from the beginning of the attempt, by the agent's clock. */
export interface SentLine {
  stream: LogStream;
  afterMillis: number;
  text: string;
}

/** One line as it is read. Its number counts within its attempt; a line that was added in reading has the number of the next. */
export interface LogLine {
  attempt: number;
  offset: number;
  at: Date;
  stream: LogStream;
  text: string;
}

/** A line is cut by the agent at 8 KiB, and then says so. */
const MAX_LINE = 8_400;
const MAX_LINES = 4_096;
const MAX_TEXT_BYTES = 128 * 1024;
/** Numbers of lines are 32 bits wide everywhere. */
const MAX_OFFSET = 2_147_483_647 - MAX_LINES;

/** What an agent may append at once. The texts together are bounded too, so that the size of a chunk in storage is. */
export const chunkFields = {
  offset: z.int().min(0).max(MAX_OFFSET),
  lines: listOf(
    z.strictObject({
      stream: z.enum(logStreams),
      afterMillis: z.number().min(0).max(1e13).transform(Math.round),
      text: text({ max: MAX_LINE }),
    }),
  )
    .max(MAX_LINES, { error: `Expected at most ${MAX_LINES} lines at once` })
    .refine((lines) => lines.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0) <= MAX_TEXT_BYTES, {
      error: `Expected at most ${MAX_TEXT_BYTES} bytes of text at once`,
    }),
};

/** How much of a log may be asked for, and of which attempt. */
export const MAX_TAIL = 10_000;
export const DEFAULT_TAIL = 100;
export const tailField = z.int().min(0).max(MAX_TAIL);
export const attemptField = z.int().min(1).max(2_147_483_647);
export const fromOffsetField = z.int().min(0).max(2_147_483_647);

const stored = { STDOUT: 'o', STDERR: 'e', KELPIE: 'k' } as const satisfies Record<LogStream, StoredLine[0]>;
const streams = { o: 'STDOUT', e: 'STDERR', k: 'KELPIE' } as const satisfies Record<StoredLine[0], LogStream>;

export function toStored({ stream, afterMillis, text }: SentLine): StoredLine {
  return [stored[stream], afterMillis, text];
}

/** A chunk as the database gives it. */
export interface StoredChunk {
  next_position: string;
  offset: number;
  content: StoredLine[];
}

/** The lines of some chunks from number `from` on. Where numbers are missing, a line says how many. */
export function linesOf(
  chunks: readonly StoredChunk[],
  { number, startedAt }: { number: number; startedAt: Date },
  from: number,
): LogLine[] {
  const lines: LogLine[] = [];
  let next = from;
  for (const { offset, content } of chunks) {
    const skipped = Math.max(0, next - offset);
    const shown = content.slice(skipped).map(([stream, afterMillis, text], index): LogLine => {
      const at = new Date(startedAt.getTime() + afterMillis);
      return { attempt: number, offset: offset + skipped + index, at, stream: streams[stream], text };
    });
    const [first] = shown;
    if (first === undefined) continue;
    if (offset > next) lines.push({ ...first, offset: next, stream: 'KELPIE', text: missing(offset - next) });
    lines.push(...shown);
    next = offset + content.length;
  }
  return lines;
}

function missing(count: number): string {
  return `${count} ${count === 1 ? 'line was' : 'lines were'} not kept here: of a long log the first and the last part are`;
}
