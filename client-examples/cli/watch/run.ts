import type { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type Exit, usage } from '../exits.ts';
import { follow } from '../follow.ts';
import { FeedCursorDocument, FindJobDocument, JobEventsDocument, ListJobsDocument } from '../generated/graphql.ts';
import type { JobFilter, JobRowFragment } from '../generated/graphql.ts';
import { applyEvent, hasEnded, removed, rowOf, type JobEvent, type Row } from './rows.ts';
import { countsOf, openView, type View } from './view.ts';

/** What is watched: jobs by their ids, or all that a filter has now and later. */
export interface Watching {
  ids?: readonly string[];
  filter?: JobFilter;
  /** End when all have ended, and say how by the exit code. */
  untilDone: boolean;
  /** For so long at most, in seconds. */
  timeoutSeconds?: number | undefined;
  json: boolean;
}

/** More than that nobody looks at. */
const MAX_WATCHED = 10_000;
/** Those that are named are asked for one by one. */
const MAX_NAMED = 1_000;
const PAGE = 1_000;
/** How many jobs are asked for at once. */
const AT_ONCE = 8;

/**
 * Shows jobs as they are and as they change. What is shown first is asked for; from then on the account's feed of events tells what has
 * changed, from a cursor that was taken before, over as many connections as it takes.
 * @throws CliError also when the time is over
 */
export async function watchJobs(context: Context, connection: Connection, watching: Watching): Promise<void> {
  demandFew(watching.ids?.length ?? 0);
  const late = watching.timeoutSeconds === undefined ? undefined : AbortSignal.timeout(watching.timeoutSeconds * 1_000);
  const stopping = late === undefined ? connection.stopping : AbortSignal.any([connection.stopping, late]);
  const view = openView(context, watching.json);
  const rows = new Map<string, Row>();
  try {
    await watchRows({ context, watching, view, rows, open: new Set(), connection: { ...connection, stopping } });
  } catch (error) {
    if (late?.aborted !== true || connection.stopping.aborted) throw error;
    throw new CliError(EXIT.OVERDUE, `The time is over: ${countsOf([...rows.values()])}. The jobs go on.`);
  } finally {
    if (rows.size > 0) view.end(rows);
  }
  if (watching.untilDone) context.exit = exitOf([...rows.values()]);
}

/** @throws CliError */
export function demandFew(named: number): void {
  if (named <= MAX_NAMED) return;
  throw usage(
    `Expected at most ${MAX_NAMED} jobs to watch by their ids, got ${named}: submit them with --label, and watch that`,
  );
}

/** The worst that became of any of them. */
function exitOf(rows: readonly Row[]): Exit {
  if (rows.some(({ status }) => status === 'FAILED')) return EXIT.FAILED;
  return rows.some(({ status }) => status === 'CANCELED' || status === 'PURGED') ? EXIT.CANCELED : EXIT.DONE;
}

interface Watch {
  context: Context;
  connection: Connection;
  watching: Watching;
  view: View;
  rows: Map<string, Row>;
  /** Ids of those that have not ended: of thousands, nobody asks all after each event. */
  open: Set<string>;
}

async function watchRows(watch: Watch): Promise<void> {
  const { connection, context } = watch;
  // Before anything is looked at: what happens in between comes again, and nothing is missed.
  let { feedCursor: cursor } = await connection.ask(FeedCursorDocument, {});
  await look(watch);
  if (await isDone(watch)) return;
  const filter = feedFilterOf(watch);
  const events = follow(connection, JobEventsDocument, {
    variables: () => ({ after: cursor, ...(filter !== undefined && { filter }) }),
    isOver: async () => false,
    onLost: (why) => context.note(`${why}; connecting again`),
  });
  for await (const { jobEvents: event } of events) {
    if (event.__typename === 'EventGap') {
      cursor = event.oldestCursor;
      await look(watch);
    } else {
      cursor = event.cursor;
      const row = await rowAfter(watch, event);
      if (row === undefined) continue;
      put(watch, row);
    }
    if (await isDone(watch)) return;
  }
}

/** Asks for all of them anew. Those that were there and are no more have been removed. */
async function look(watch: Watch): Promise<void> {
  const { watching, rows, view } = watch;
  const jobs = watching.ids === undefined ? await list(watch) : await find(watch, watching.ids);
  const found = new Set(jobs.map(({ id }) => id));
  const gone = [...rows.values()].filter(({ id }) => !found.has(id));
  const seen = [...jobs.map(rowOf), ...gone.map(removed)];
  for (const row of seen) put(watch, row);
  if (seen.length === 0) view.show(undefined, rows);
}

function put({ rows, open, view }: Watch, row: Row): void {
  rows.set(row.id, row);
  if (hasEnded(row)) open.delete(row.id);
  else open.add(row.id);
  view.show(row, rows);
}

async function list({ connection, watching: { filter = {} } }: Watch): Promise<JobRowFragment[]> {
  const jobs: JobRowFragment[] = [];
  let after: string | null | undefined;
  do {
    const variables = { filter, first: PAGE, orderBy: 'OLDEST_FIRST' as const, ...(after != null && { after }) };
    const { jobs: page } = await connection.ask(ListJobsDocument, variables);
    if (page.totalCount > MAX_WATCHED) {
      throw usage(
        `Expected at most ${MAX_WATCHED} jobs to watch, got ${page.totalCount}: narrow them by --group and --label`,
      );
    }
    jobs.push(...page.nodes);
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : undefined;
  } while (after != null);
  return jobs;
}

async function find({ connection, rows }: Watch, ids: readonly string[]): Promise<JobRowFragment[]> {
  const jobs: JobRowFragment[] = [];
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const asked = ids.slice(from, from + AT_ONCE).map(async (id) => {
      const { job } = await connection.ask(FindJobDocument, { id });
      if (job != null) return [job];
      if (rows.has(id)) return [];
      throw new CliError(EXIT.REFUSED, `There is no job ${id} in this account. Look with: kelpie-cli list`);
    });
    jobs.push(...(await Promise.all(asked)).flat());
  }
  return jobs;
}

/**
 * The feed is the whole account's; where all the jobs are in one group, the others' events need not come. Labels are not asked for there:
 * of a job that was removed nobody knows them any more, and its end would not be told.
 */
function feedFilterOf({ watching, rows }: Watch): JobFilter | undefined {
  const asked = watching.filter?.containerGroupId;
  if (asked != null) return { containerGroupId: asked };
  if (watching.filter !== undefined) return undefined;
  const groups = new Set([...rows.values()].map(({ containerGroupId }) => containerGroupId));
  const [only] = groups;
  return groups.size === 1 && only !== undefined ? { containerGroupId: only } : undefined;
}

/** Undefined for an event of a job that is not watched. One that is not known yet begins with its submission. */
async function rowAfter({ connection, rows, watching }: Watch, event: JobEvent): Promise<Row | undefined> {
  const known = rows.get(event.jobId);
  if (known !== undefined) return applyEvent(known, event);
  if (watching.filter === undefined || event.type !== 'SUBMITTED' || rows.size >= MAX_WATCHED) return undefined;
  const { job } = await connection.ask(FindJobDocument, { id: event.jobId });
  const wanted = Object.entries(watching.filter.labels ?? {});
  return job != null && wanted.every(([name, value]) => job.labels[name] === value) ? rowOf(job) : undefined;
}

/**
 * Whether all have ended. Events from before the first look come again, and then a row may for a moment look older than it is: so the
 * server is asked once more before it is believed.
 */
async function isDone(watch: Watch): Promise<boolean> {
  if (!watch.watching.untilDone || watch.open.size > 0) return false;
  await look(watch);
  return watch.open.size === 0;
}
