import type { Command } from 'commander';
import { z } from 'zod';
import type { Connection } from '../connection.ts';
import { commandOf, type Context } from '../context.ts';
import { CliError, EXIT } from '../exits.ts';
import { wholeNumber } from '../filters.ts';
import { follow } from '../follow.ts';
import { JobLogsDocument, TailLogsDocument, type TailLogsQuery } from '../generated/graphql.ts';
import { plain } from '../output.ts';
import { noSuchJob } from './get.ts';

const options = z.object({
  follow: z.boolean().default(false),
  tail: z.string(),
  attempt: z.string().optional(),
  json: z.boolean().default(false),
});

type Line = NonNullable<TailLogsQuery['job']>['logs'][number];

export function logsCommand(context: Context): Command {
  return commandOf('logs', 'print what a job’s command has written')
    .argument('<id>', 'the job')
    .option('-f, --follow', 'go on as it writes, over all attempts, until the job has ended')
    .option('-n, --tail <number>', 'begin with so many of the last lines', '100')
    .option('-a, --attempt <number>', 'of this attempt (the newest)')
    .action(async (id: unknown, given: unknown) => {
      const { tail, attempt, json, follow: follows } = options.parse(given);
      const connection = await context.connect();
      const wish = {
        id: z.string().parse(id),
        tail: wholeNumber(tail, '--tail'),
        ...(attempt !== undefined && { attempt: wholeNumber(attempt, '--attempt', { min: 1 }) }),
      };
      const print = (line: Line): void => context.tell(json, line, () => textOf(context, line));
      const last = await printTail(connection, wish, follows, print);
      if (follows) await printOn(context, connection, { id: wish.id, attempt: wish.attempt, last }, print);
    });
}

interface Wish {
  id: string;
  tail: number;
  attempt?: number;
}

/** Returns the last line that was printed. An attempt that is still to come can be followed, and not be read. */
async function printTail(
  connection: Connection,
  wish: Wish,
  follows: boolean,
  print: (line: Line) => void,
): Promise<Line | undefined> {
  const { job } = await connection.ask(TailLogsDocument, { ...wish, tail: Math.max(1, wish.tail) });
  if (job == null) throw noSuchJob(wish.id);
  const newest = job.attempt?.number ?? 0;
  if (!follows && wish.attempt !== undefined && wish.attempt > newest) {
    const had = newest === 0 ? 'no attempts yet' : `${newest} so far`;
    throw new CliError(EXIT.REFUSED, `There is no attempt ${wish.attempt} of job ${wish.id}: it has had ${had}`);
  }
  const shown = wish.tail === 0 ? [] : job.logs;
  shown.forEach(print);
  return job.logs.at(-1);
}

/** Goes on behind the last line, over as many connections as it takes. */
async function printOn(
  context: Context,
  connection: Connection,
  { id, attempt, last }: { id: string; attempt: number | undefined; last: Line | undefined },
  print: (line: Line) => void,
): Promise<void> {
  let place = placeAfter(last, attempt);
  const isNew = onlyOnce(last);
  const chunks = follow(connection, JobLogsDocument, {
    variables: () => ({ id, ...(place !== undefined && { attempt: place.attempt, fromOffset: place.offset }) }),
    isOver: async () => {
      const { job } = await connection.ask(TailLogsDocument, { id, tail: 1 });
      return job == null || (job.status !== 'PENDING' && job.status !== 'RUNNING');
    },
    onLost: (why) => context.note(`${why}; connecting again`),
  });
  for await (const { jobLogs } of chunks) {
    jobLogs.lines.filter(isNew).forEach(print);
    place = { attempt: jobLogs.attempt, offset: jobLogs.nextOffset };
  }
}

/** A line of KELPIE has the number of the line after it. */
function placeAfter(last: Line | undefined, attempt: number | undefined) {
  if (last === undefined) return attempt === undefined ? undefined : { attempt, offset: 0 };
  return { attempt: last.attempt, offset: last.stream === 'KELPIE' ? last.offset : last.offset + 1 };
}

/** What KELPIE says of an attempt has no number of its own, and is said again after a reconnection. */
function onlyOnce(last: Line | undefined): (line: Line) => boolean {
  let remark = last?.stream === 'KELPIE' ? last : undefined;
  return (line) => {
    if (line.stream !== 'KELPIE') return true;
    const isSame = remark?.attempt === line.attempt && remark.offset === line.offset && remark.text === line.text;
    remark = line;
    return !isSame;
  };
}

/** A terminal is shown text alone: what a command writes could move its cursor or change its title. */
function textOf({ world, paint }: Context, { stream, text }: Line): string {
  const shown = world.stdout.isTTY === true ? plain(text) : text;
  return stream === 'KELPIE' ? paint('dim', shown) : shown;
}
