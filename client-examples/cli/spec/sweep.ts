import { CsvError, parse } from 'csv-parse/sync';
import { usage } from '../exits.ts';
import type { JobDraft } from './job.ts';

export type Row = Readonly<Record<string, string>>;

/**
 * The rows of a CSV text by the names in its first line, with `row` (1, 2, 3 …) beside them where no column is called so.
 * @throws CliError
 */
export function readRows(text: string, path: string): Row[] {
  const rows = parsed(text, path);
  const [first] = rows;
  if (first === undefined) throw usage(`${path}: expected a line of names and at least one row below it`);
  return rows.map((row, index) => ({ row: String(index + 1), ...row }));
}

/**
 * A job for each row: `{{column}}` in any text of the template becomes the row's value, and nothing that stands in a value is looked into.
 * @throws CliError when the template names a column that there is not
 */
export function expandSweep(template: JobDraft, rows: readonly Row[]): JobDraft[] {
  // A record stays a record.
  return rows.map((row) => fill(template, row) as JobDraft);
}

/**
 * A template that nobody fills in would become a job that is called `lr {{lr}}`.
 * @throws CliError for the first `{{column}}` in any of them
 */
export function demandFilled(drafts: readonly JobDraft[]): void {
  for (const draft of drafts) {
    const [found] = COLUMN.exec(JSON.stringify(draft)) ?? [];
    if (found === undefined) continue;
    throw usage(
      `${found} stands there, and no table to fill it in: give one by --csv, or say --literal if it is meant so`,
    );
  }
}

const COLUMN = /\{\{([^{}]*)\}\}/;

function parsed(text: string, path: string): Row[] {
  try {
    return parse<Row>(text, { columns: true, bom: true, trim: true, skip_empty_lines: true });
  } catch (error) {
    if (error instanceof CsvError) throw usage(`${path}: ${error.message}`);
    throw error;
  }
}

function fill(part: unknown, row: Row): unknown {
  if (typeof part === 'string') return fillText(part, row);
  if (Array.isArray(part)) return part.map((one: unknown) => fill(one, row));
  if (typeof part !== 'object' || part === null) return part;
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [fillText(name, row), fill(value, row)]));
}

function fillText(text: string, row: Row): string {
  return text.replaceAll(new RegExp(COLUMN, 'g'), (_, inner: string) => {
    const name = inner.trim();
    const value = Object.hasOwn(row, name) ? row[name] : undefined;
    if (value !== undefined) return value;
    throw usage(`The template says {{${name}}}: expected one of the columns ${Object.keys(row).join(', ')}`);
  });
}
