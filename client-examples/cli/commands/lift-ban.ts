import type { Command } from 'commander';
import { z } from 'zod';
import { refused } from '../connection.ts';
import { commandOf, type Context } from '../context.ts';
import { ids } from '../filters.ts';
import { JobBansDocument, LiftBanDocument } from '../generated/graphql.ts';
import { plain } from '../output.ts';
import { noSuchJob } from './get.ts';

export function liftBanCommand(context: Context): Command {
  return commandOf('lift-ban', 'let machines have a job again that failed there: those named, or all of them')
    .argument('<id>', 'the job')
    .argument('[machines...]', 'the machines')
    .action(async (given: unknown, named: unknown, flags: unknown) => {
      const { json } = z.object({ json: z.boolean().default(false) }).parse(flags);
      const [id, machines] = [z.string().parse(given), ids.parse(named)];
      const connection = await context.connect();
      const { job } = await connection.ask(JobBansDocument, { id });
      if (job == null) throw noSuchJob(id);
      const banned = job.bans.map(({ machineId }) => machineId);
      for (const machineId of machines.length > 0 ? machines : banned) {
        const { liftBan: answer } = await connection.ask(LiftBanDocument, { jobId: id, machineId });
        if (answer.__typename !== 'Job') throw refused(answer);
        const was = banned.includes(machineId) ? 'may have it again' : 'was not banned';
        context.tell(json, { jobId: id, machineId, wasBanned: banned.includes(machineId) }, () =>
          plain(`${id} ${machineId} ${was}`),
        );
      }
      if (machines.length + banned.length === 0) context.note('No machine is banned from this job.');
    });
}
