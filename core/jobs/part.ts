import { raw } from '@mikro-orm/core';
import type { EntityManager } from '../../db/orm.ts';

/** So many characters of jobs are read at once; 32 jobs have no more. */
const MOST_CHARACTERS = 8 * 1024 * 1024;
const ALWAYS_FIT = 32;

/** What a query of `job` selects that `thoseThatFit` is to read. */
export const idAndSize = raw('job.id, octet_length(job::text) as size');

/** Whether so many jobs may be read at once whatever is in them. */
export function fitSurely(count: number): boolean {
  return count <= ALWAYS_FIT;
}

/**
 * Which of the jobs that a query finds may be read at once: the first ones, but always one.
 * @returns their ids, and how many were found
 */
export async function thoseThatFit(
  em: EntityManager,
  { sql, params }: { sql: string; params: readonly unknown[] },
): Promise<{ ids: string[]; of: number }> {
  const rows = await em.execute<{ id: string; size: number }[]>(sql, [...params]);
  let left = MOST_CHARACTERS;
  const tooMuch = rows.findIndex(({ size }) => (left -= size) < 0);
  const count = tooMuch === -1 ? rows.length : Math.max(1, tooMuch);
  return { ids: rows.slice(0, count).map(({ id }) => id), of: rows.length };
}
