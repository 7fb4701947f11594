import type { Command } from 'commander';
import { z } from 'zod';
import { refused, type Connection } from '../connection.ts';
import { commandOf, type Context } from '../context.ts';
import { CliError, EXIT, usage } from '../exits.ts';
import { addFilterFlags, filterFlags, filterOf, ids } from '../filters.ts';
import { CancelJobDocument, CancelJobsDocument, RetryJobDocument, type JobRowFragment } from '../generated/graphql.ts';

const options = filterFlags.extend({ json: z.boolean().default(false) });

export function cancelCommand(context: Context): Command {
  return addFilterFlags(
    commandOf('cancel', 'cancel jobs: those named, or all pending and running ones of a group or label'),
  )
    .argument('[ids...]', 'the jobs')
    .action(async (given: unknown, flags: unknown) => {
      const { json, ...filter } = options.parse(flags);
      const named = ids.parse(given);
      const meant = filterOf(filter);
      if (named.length > 0 === (meant !== undefined)) {
        throw usage(
          'Expected the ids of jobs, or else --group or --label. For example: kelpie-cli cancel --label sweep=7',
        );
      }
      const connection = await context.connect();
      if (meant === undefined) return eachOf(context, named, json, 'canceled', (id) => cancel(connection, id));
      const { cancelJobs: answer } = await connection.ask(CancelJobsDocument, { filter: meant });
      if (answer.__typename !== 'CanceledJobs') throw refused(answer);
      context.tell(json, { count: answer.count }, () => `${answer.count} canceled`);
    });
}

export function retryCommand(context: Context): Command {
  return commandOf('retry', 'make failed or canceled jobs pending again, with their whole budgets')
    .argument('<ids...>', 'the jobs')
    .action(async (given: unknown, flags: unknown) => {
      const connection = await context.connect();
      const { json } = z.object({ json: z.boolean().default(false) }).parse(flags);
      return eachOf(context, ids.parse(given), json, 'pending', (id) => retry(connection, id));
    });
}

async function cancel(connection: Connection, id: string): Promise<JobRowFragment> {
  const { cancelJob } = await connection.ask(CancelJobDocument, { id });
  if (cancelJob.__typename !== 'Job') throw refused(cancelJob);
  return cancelJob;
}

/** Not said again when the answer is lost: the job may have run, and failed, in between. */
async function retry(connection: Connection, id: string): Promise<JobRowFragment> {
  const { retryJob } = await connection.askOnce(RetryJobDocument, { id });
  if (retryJob.__typename !== 'Job') throw refused(retryJob);
  return retryJob;
}

/** One that is refused keeps none of the others from their turn; what the server can't be asked at all ends it. */
async function eachOf(
  context: Context,
  named: readonly string[],
  json: boolean,
  done: string,
  act: (id: string) => Promise<JobRowFragment>,
): Promise<void> {
  for (const id of named) {
    try {
      const job = await act(id);
      context.tell(json, job, () => `${job.id} ${done}`);
    } catch (error) {
      if (!(error instanceof CliError) || error.exit !== EXIT.REFUSED) throw error;
      context.note(`${id}: ${error.message}`);
      context.exit = EXIT.REFUSED;
    }
  }
}
