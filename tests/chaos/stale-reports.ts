import { z } from 'zod';
import type { StaleReport } from './facts.ts';
import type { World } from './world.ts';

interface Over {
  job_id: string;
  number: number;
  outcome: string;
  ended_by: string;
}

/** Attempts that nothing may change any more: a newer one exists, or the job has ended. */
const OVER = `
  select a.job_id, a.number, a.outcome, a.ended_by
  from attempts a join jobs j on j.id = a.job_id
  where a.outcome is not null and (a.number < j.attempt_number or j.status in ('COMPLETED', 'FAILED', 'CANCELED'))
  order by a.ended_at desc
  limit 12`;

/** Every report as its mutation, and the outcome that it tells of. */
const VERBS = {
  completeAttempt: { input: 'CompleteAttemptInput', more: {}, outcome: 'COMPLETED' },
  failAttempt: { input: 'FailAttemptInput', more: { outcome: 'FAILED', reason: 'a stale report' }, outcome: 'FAILED' },
  releaseAttempt: { input: 'ReleaseAttemptInput', more: {}, outcome: 'RELEASED' },
  heartbeat: { input: 'HeartbeatInput', more: { phase: 'UPLOADING' }, outcome: undefined },
} as const;

/**
 * Reports, once more or late, of one of the attempts that were over last, as a zombie or a repeating agent would.
 * @param choice 0 to 1: which of them
 */
export async function sendStaleReports(world: World, choice: number): Promise<StaleReport[]> {
  const over = await world.database.query<Over>(OVER);
  const attempt = over[Math.floor(choice * over.length)];
  if (attempt === undefined) return [];
  return Promise.all(
    Object.entries(VERBS).map(async ([verb, { input, more, outcome }]) => {
      const query = `mutation Report($input: ${input}!) { ${verb}(input: $input) { __typename } }`;
      const variables = { input: { jobId: attempt.job_id, attempt: attempt.number, ...more } };
      const answer = await world.api.ask(world.keys.agent, query, variables);
      const isRepetition = attempt.ended_by === 'AGENT' && attempt.outcome === outcome;
      return {
        ...{ jobId: attempt.job_id, attempt: attempt.number, verb },
        expected: isRepetition ? 'Job' : 'LeaseLost',
        answer: z.record(z.string(), z.object({ __typename: z.string() })).parse(answer)[verb]?.__typename ?? 'nothing',
      };
    }),
  );
}
