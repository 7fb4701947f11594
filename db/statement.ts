import { readFileSync } from 'node:fs';
import { CompiledQuery } from 'kysely';
import { keepPlan } from './kept-plans.ts';
import type { EntityManager } from './orm.ts';

type Parameter =
  string | number | boolean | null | Date | readonly (string | number | null)[] | Record<string, unknown>;

/**
 * One statement of `db/sql/`, whole and visible in its file. `:name` stands for a bound parameter (never interpolated).
 * Rows come back as PostgreSQL names them, times as strings: `em.map(Entity, row)` makes an entity of one.
 * @param options.keepsPlan for what `keepPlan` says; no
 * @param options.waits for rows that others hold and that the file says to pass over: there `skip locked` is left out; no
 */
export function statement<Parameters extends { [name in keyof Parameters]: Parameter }, Row>(
  file: string,
  { keepsPlan = false, waits = false }: { keepsPlan?: boolean; waits?: boolean } = {},
): (em: EntityManager, parameters: Parameters) => Promise<Row[]> {
  const { text, names } = positional(readFileSync(new URL(`./sql/${file}.sql`, import.meta.url), 'utf8'), { waits });
  if (keepsPlan) keepPlan(waits ? `${file}-waiting` : file, text);
  return async (em, parameters) => {
    const values: Record<string, Parameter> = parameters;
    const query = CompiledQuery.raw(
      text,
      names.map((name) => values[name]),
    );
    const result = await em.getKysely().executeQuery(query);
    return result.rows as Row[];
  };
}

/**
 * `:name` becomes `$n`, the same name the same `n`; comments go, `::casts` stay.
 * @param options.waits as for `statement`
 */
export function positional(
  sql: string,
  { waits = false }: { waits?: boolean } = {},
): { text: string; names: string[] } {
  const names: string[] = [];
  const text = sql.replace(/--.*/g, '').replace(/(?<!:):([a-z_]+)\b/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return { text: (waits ? text.replaceAll(/(?<!\s)\s+skip\s+locked\b/g, '') : text).trim(), names };
}
