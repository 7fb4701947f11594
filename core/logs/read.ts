import { Attempt } from '../../db/entities/attempt.ts';
import type { Job } from '../../db/entities/job.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { linesOf, type LogLine, type StoredChunk } from './lines.ts';

const tailStatement = statement<{ job_id: string; attempt: number; lines: number }, StoredChunk>('log-tail');
const pageStatement = statement<
  { job_id: string; attempt: number; position: string; from_offset: number; bytes: number },
  StoredChunk
>('log-page');

/** What is read at once, besides the chunk that begins last within it. */
const PAGE_BYTES = 128 * 1024;

/** Some lines of one attempt in a row, and how to go on behind them. */
export interface LogPart {
  lines: LogLine[];
  /** Number of the line that comes next. */
  nextOffset: number;
  /** Where the chunk of that line begins in storage. */
  nextPosition: string;
}

/**
 * The last lines of what the command of a job wrote in one attempt, by default the newest; none where there is no such attempt.
 * The caller has seen the job by the viewer's own key.
 * @param options.tail at most so many lines
 */
export async function tailLogs(
  core: Core,
  viewer: Viewer,
  job: Job,
  options: { tail: number; attempt?: number | undefined },
): Promise<LogPart> {
  demand(viewer, 'read');
  const em = core.em.fork();
  const attempt = await em.findOne(Attempt, { jobId: job.id, number: options.attempt ?? job.attemptNumber });
  if (attempt === null) return { lines: [], nextOffset: 0, nextPosition: '0' };
  // Also for none of its lines, the newest chunk says where the log ends.
  const rows = await tailStatement(em, { job_id: job.id, attempt: attempt.number, lines: Math.max(options.tail, 1) });
  const { lines, ...next } = partOf(rows, attempt, { offset: rows[0]?.offset ?? 0, position: '0' });
  return { lines: options.tail === 0 ? [] : lines.slice(-options.tail), ...next };
}

/** The next lines of an attempt from a place on; undefined where there are none yet. */
export async function nextPart(
  core: Core,
  attempt: Attempt,
  from: { offset: number; position: string },
): Promise<LogPart | undefined> {
  const rows = await pageStatement(core.em.fork(), {
    job_id: attempt.jobId,
    attempt: attempt.number,
    position: from.position,
    from_offset: from.offset,
    bytes: PAGE_BYTES,
  });
  return rows.length === 0 ? undefined : partOf(rows, attempt, from);
}

function partOf(rows: StoredChunk[], attempt: Attempt, from: { offset: number; position: string }): LogPart {
  const last = rows.at(-1);
  return {
    lines: linesOf(rows, attempt, from.offset),
    nextOffset: last === undefined ? from.offset : last.offset + last.content.length,
    nextPosition: last?.next_position ?? from.position,
  };
}
