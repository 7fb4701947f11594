import {
  resolveCursorConnection,
  type DefaultConnectionArguments,
  type ResolveCursorConnectionArgs,
} from '@pothos/plugin-relay';
import { z } from 'zod';
import { InvalidInputError } from '../core/errors.ts';
import { parseInput } from '../core/input.ts';
import type { NumberSlice } from '../core/jobs/find.ts';
import { numberCursor, numberOfCursor } from '../core/number-cursor.ts';

/** At most so many rows of a connection at once, and so many where the caller names no number. */
const PAGE = { maxSize: 1_000, defaultSize: 100 };

/** A Relay page of rows that are ordered by one number each. An empty one ends where it began: at the cursor it was asked from. */
export async function connection<Row>(
  args: DefaultConnectionArguments,
  positionOf: (row: Row) => string | number,
  load: (page: ResolveCursorConnectionArgs) => Promise<Row[]>,
) {
  const page = await resolveCursorConnection<Promise<Row[]>>(
    { args, ...PAGE, toCursor: (row) => numberCursor(positionOf(row)) },
    load,
  );
  return { ...page, pageInfo: { ...page.pageInfo, ...cursorsOf(page.pageInfo) } };
}

/** Where there is no cursor at all, the library says '', which it would not take back. */
function cursorsOf(info: { startCursor?: string | null | undefined; endCursor?: string | null | undefined }) {
  return { startCursor: info.startCursor || null, endCursor: info.endCursor || null };
}

/** The page of a list that is counted within a job. */
export function numbers(page: ResolveCursorConnectionArgs): NumberSlice {
  return {
    limit: page.limit,
    descending: page.inverted,
    after: numberFromCursor('after', page.after),
    before: numberFromCursor('before', page.before),
  };
}

function numberFromCursor(argument: 'after' | 'before', cursor: string | undefined): number | undefined {
  const position = numberOfCursor(argument, cursor);
  return position === undefined ? undefined : Math.min(Number(position), 2_147_483_647);
}

/** A list that is read forwards, from place to place. A place is what the list is ordered by, and names one row. */
interface ForwardList<Row, Place> {
  place: z.ZodType<Place>;
  placeOf: (row: Row) => Place;
  load: (page: { after: Place | undefined; limit: number }) => Promise<Row[]>;
}

/**
 * A Relay page of such a list.
 * @throws InvalidInputError for `last` and `before`, and for a cursor that no list of this kind has given out
 */
export async function forwardConnection<Row extends object, Place>(
  args: DefaultConnectionArguments,
  list: ForwardList<Row, Place>,
) {
  const { first, after } = parseInput(forwardArguments, args);
  const rows = await list.load({
    after: after === undefined ? undefined : placeOfCursor(list.place, after),
    limit: first + 1,
  });
  const edges = rows.slice(0, first).map((node) => ({ node, cursor: cursorOfPlace(list.placeOf(node)) }));
  const pageInfo = {
    hasNextPage: rows.length > first,
    hasPreviousPage: after !== undefined,
    startCursor: edges.at(0)?.cursor ?? after ?? null,
    endCursor: edges.at(-1)?.cursor ?? after ?? null,
  };
  return { edges, pageInfo };
}

const backwards = z.null({ error: 'This list is read forwards only: use first and after' }).optional();
const forwardArguments = z.object({
  first: z
    .int({ error: 'Expected a whole number' })
    .min(0, { error: 'Expected 0 or more' })
    .nullish()
    .transform((first) => Math.min(first ?? PAGE.defaultSize, PAGE.maxSize)),
  after: z
    .string()
    .max(5_000, { error: 'Expected a cursor that this list has given out' })
    .nullish()
    .transform((after) => after ?? undefined),
  last: backwards,
  before: backwards,
});

function cursorOfPlace(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function placeOfCursor<Place>(schema: z.ZodType<Place>, cursor: string): Place {
  const parsed = schema.safeParse(parsedJson(Buffer.from(cursor, 'base64url').toString()));
  if (parsed.success) return parsed.data;
  throw new InvalidInputError([
    { path: ['after'], message: 'Expected a cursor that this list has given out, got another text' },
  ]);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
