import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { Attempt } from './attempt.ts';

/** One line as it is stored: its stream (`o`ut, `e`rr, or `k` for the agent's own word), milliseconds, text. */
export type StoredLine = ['o' | 'e' | 'k', number, string];

/**
 * Some lines of what an attempt's command wrote, as they came in one piece. It hangs on its attempt, not on the job: whoever
 * appends holds the attempt's row, and a key of the job's would be taken after it, against the order of locks.
 */
export const JobLog = defineEntity({
  name: 'JobLog',
  tableName: 'job_logs',
  properties: {
    attempt: () => p.manyToOne(Attempt).primary().fieldNames('job_id', 'attempt').deleteRule('cascade'),
    // Where it begins in the attempt's log, in stored bytes. What is dropped later leaves its place.
    position: p.bigint('string').primary().autoincrement(false),
    // Number of its first line in the attempt's log.
    offset: p.integer(),
    lines: p.integer(),
    bytes: p.integer(),
    content: p.json().$type<StoredLine[]>(),
  },
});
export type JobLog = InferEntity<typeof JobLog>;
