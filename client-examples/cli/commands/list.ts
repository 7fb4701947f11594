import { type Command, Option } from 'commander';
import { z } from 'zod';
import { commandOf, type Context } from '../context.ts';
import { addFilterFlags, filterFlags, filterOf, wholeNumber } from '../filters.ts';
import { ListJobsDocument, type JobRowFragment } from '../generated/graphql.ts';
import { ageOf, durationOf, fitted, plain, tableOf } from '../output.ts';
import { constantOf } from '../spec/faults.ts';
import { collect } from '../spec/flags.ts';

const STATUSES = ['pending', 'running', 'completed', 'failed', 'canceled'] as const;

const options = filterFlags.extend({
  status: z.array(constantOf(STATUSES)),
  machine: z.string().optional(),
  search: z.string().optional(),
  limit: z.string(),
  oldest: z.boolean().default(false),
  json: z.boolean().default(false),
});

const PAGE = 1_000;

export function listCommand(context: Context): Command {
  const status = new Option('-s, --status <status>', `${STATUSES.join(', ')} (again for more)`).default([], 'any');
  // For completion. What is given is checked with the other options: commander's own check would not collect.
  status.argChoices = [...STATUSES];
  return addFilterFlags(commandOf('list', 'list jobs, the last submitted first'))
    .addOption(status.argParser(collect))
    .option('--machine <id>', 'held, or last held, by this machine')
    .option('--search <words>', 'with each of these words in its name, command, arguments, machine or id')
    .option('-n, --limit <number>', 'so many at most', '50')
    .option('--oldest', 'the first submitted first')
    .action(async (given: unknown) => list(context, options.parse(given)));
}

async function list(context: Context, given: z.infer<typeof options>): Promise<void> {
  const limit = wholeNumber(given.limit, '--limit', { min: 1 });
  const filter = {
    ...filterOf(given),
    ...(given.status.length > 0 && { status: given.status }),
    ...(given.machine !== undefined && { machineId: given.machine }),
    ...(given.search !== undefined && { search: given.search }),
  };
  const connection = await context.connect();
  const found: JobRowFragment[] = [];
  let after: string | null | undefined;
  let total = 0;
  do {
    const first = Math.min(PAGE, limit - found.length);
    const orderBy = given.oldest ? ('OLDEST_FIRST' as const) : ('NEWEST_FIRST' as const);
    const { jobs } = await connection.ask(ListJobsDocument, {
      filter,
      first,
      orderBy,
      ...(after != null && { after }),
    });
    found.push(...jobs.nodes);
    total = jobs.totalCount;
    after = jobs.pageInfo.hasNextPage ? jobs.pageInfo.endCursor : undefined;
  } while (after != null && found.length < limit);
  if (given.json) {
    for (const job of found) context.sayJson(job);
    return;
  }
  if (found.length > 0)
    context.say(
      fitted(
        tableOf(
          HEAD,
          found.map((job) => cellsOf(job, Date.now())),
        ),
        context.world.stdout,
      ),
    );
  if (total > found.length || total === 0)
    context.note(total === 0 ? 'No jobs.' : `${found.length} of ${said(total, given.search)}; --limit shows more`);
}

/** Of a search the server counts up to this. */
const MOST_FOUND = 10_001;

function said(total: number, search: string | undefined): string {
  return search !== undefined && total >= MOST_FOUND ? `more than ${MOST_FOUND - 1}` : String(total);
}

const HEAD = ['id', 'name', 'status', 'group', 'progress', 'attempt', 'age', ''];

function cellsOf(job: JobRowFragment, now: number): string[] {
  const { progress, attempt, status } = job;
  const left =
    progress?.secondsLeft == null || status !== 'RUNNING' ? '' : `, ${durationOf(progress.secondsLeft)} left`;
  return [
    job.id,
    plain(job.name ?? ''),
    status.toLowerCase(),
    plain(job.containerGroupId),
    progress?.fraction == null ? '' : `${Math.floor(progress.fraction * 100)} %${left}`,
    attempt == null ? '' : `${attempt.number} on ${plain(job.machineId ?? '?')}`,
    ageOf(job.createdAt, now),
    plain(job.statusReason ?? ''),
  ];
}
