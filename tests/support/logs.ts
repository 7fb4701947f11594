import type { Viewer } from '../../core/accounts/keys.ts';
import type { Core } from '../../core/core.ts';
import { appendLogs } from '../../core/logs/append.ts';
import type { LogChunk } from '../../core/logs/follow.ts';
import type { LogLine, SentLine } from '../../core/logs/lines.ts';
import type { LeaseRef } from '../../core/leases/terms.ts';

/** Lines of stdout with these texts. */
export function said(...texts: string[]): SentLine[] {
  return texts.map((text, index) => ({ stream: 'STDOUT', afterMillis: index, text }));
}

/** Appends lines with these texts, of which the first has this number. @returns the number that should come next */
export async function append(core: Core, viewer: Viewer, lease: LeaseRef, offset: number, ...texts: string[]) {
  return (await appendLogs(core, viewer, lease, { offset, lines: said(...texts) })).nextOffset;
}

/** A line as `curl` shows it. */
export function shown({ stream, text }: Pick<LogLine, 'stream' | 'text'>): string {
  return stream === 'KELPIE' ? `[kelpie] ${text}` : text;
}

/** Reads on until so many lines are there, or the end. */
export async function readLines(chunks: AsyncGenerator<LogChunk>, count: number): Promise<string[]> {
  const lines: string[] = [];
  while (lines.length < count) {
    const step = await chunks.next();
    if (step.done === true) break;
    lines.push(...step.value.lines.map(shown));
  }
  return lines;
}
