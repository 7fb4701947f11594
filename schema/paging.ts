import {
  resolveCursorConnection,
  type DefaultConnectionArguments,
  type ResolveCursorConnectionArgs,
} from '@pothos/plugin-relay';
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
