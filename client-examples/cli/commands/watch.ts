import type { Command } from 'commander';
import { z } from 'zod';
import { commandOf, type Context } from '../context.ts';
import { usage } from '../exits.ts';
import { addFilterFlags, filterFlags, filterOf, ids, secondsOf } from '../filters.ts';
import { watchJobs } from '../watch/run.ts';

const options = filterFlags.extend({
  untilDone: z.boolean().default(false),
  timeout: z.string().optional(),
  json: z.boolean().default(false),
});

export function watchCommand(context: Context): Command {
  return addFilterFlags(commandOf('watch', 'follow jobs live: those named, or all of a group or label'))
    .argument('[ids...]', 'the jobs')
    .option(
      '--until-done',
      'end when all have ended: 0 all completed, 1 some failed, 3 some were canceled and none failed',
    )
    .option('--timeout <seconds>', 'wait for so long at most, then end with 5')
    .action(async (given: unknown, flags: unknown) => {
      const { untilDone, timeout, json, ...filter } = options.parse(flags);
      const named = [...new Set(ids.parse(given))];
      const meant = filterOf(filter);
      if (named.length > 0 === (meant !== undefined)) {
        throw usage(
          'Expected the ids of jobs, or else --group or --label. For example: kelpie-cli watch --group local',
        );
      }
      const timeoutSeconds = timeout === undefined ? undefined : secondsOf(timeout, '--timeout');
      await watchJobs(context, await context.connect(), {
        ...(meant === undefined ? { ids: named } : { filter: meant }),
        ...{ untilDone, timeoutSeconds, json },
      });
    });
}
