import type { Command } from 'commander';
import { z } from 'zod';
import { commandOf, type Context } from '../context.ts';
import { CliError, EXIT } from '../exits.ts';
import { GetJobDocument, type GetJobQuery } from '../generated/graphql.ts';
import { durationOf, factsOf, plain, tableOf } from '../output.ts';

const options = z.object({ json: z.boolean().default(false) });

type Job = NonNullable<GetJobQuery['job']>;

export function getCommand(context: Context): Command {
  return commandOf('get', 'show a job with its attempts')
    .argument('<id>', 'the job')
    .action(async (id: unknown, given: unknown) => {
      const { job } = await (await context.connect()).ask(GetJobDocument, { id: z.string().parse(id) });
      if (job == null) throw noSuchJob(String(id));
      context.tell(options.parse(given).json, job, () => describe(job));
    });
}

export function noSuchJob(id: string): CliError {
  return new CliError(EXIT.REFUSED, `There is no job ${id} in this account. Look with: kelpie-cli list`);
}

function describe(job: Job): string {
  const { progress } = job;
  const facts = factsOf({
    id: job.id,
    name: plain(job.name ?? ''),
    status: `${job.status.toLowerCase()}${job.statusReason == null ? '' : `: ${plain(job.statusReason)}`}`,
    command: plain([job.command, ...job.arguments].join(' ')),
    group: plain(job.containerGroupId),
    labels: plain(
      Object.entries(job.labels)
        .map(([name, value]) => `${name}=${String(value)}`)
        .join(' '),
    ),
    progress:
      progress?.fraction == null
        ? null
        : `${Math.floor(progress.fraction * 100)} % ${plain(progress.message ?? '')}`.trim(),
    submitted: job.createdAt,
    started: job.startedAt,
    ended: job.completedAt ?? job.failedAt ?? job.canceledAt,
    'time in attempts': durationOf(job.runSeconds),
    'last checkpoint': job.lastCheckpointAt,
    failures: `${job.numFailures} of ${job.maxFailures}, interruptions ${job.numInterruptions}, faults of storage ${job.numSyncFailures}`,
  });
  const attempts = tableOf(['attempt', 'machine', 'began', 'how it ended', ''], job.attempts.nodes.map(cellsOf));
  return attempts === '' ? facts : `${facts}\n\n${attempts}`;
}

function cellsOf(attempt: Job['attempts']['nodes'][number]): string[] {
  const { outcome, phase, exitCode, signal } = attempt;
  const how = plain(signal ?? (exitCode == null ? '' : `exit code ${exitCode}`));
  const state = outcome?.toLowerCase() ?? `${phase?.toLowerCase() ?? 'begins'} …`;
  return [
    String(attempt.number),
    plain(attempt.machineId),
    attempt.startedAt,
    how === '' ? state : `${state} (${how})`,
    plain(attempt.reason ?? ''),
  ];
}
