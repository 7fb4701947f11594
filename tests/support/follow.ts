import type { Client } from 'graphql-ws';
import { z } from 'zod';

const jobState = z.object({
  id: z.string(),
  status: z.enum(['PENDING', 'RUNNING', 'COMPLETED', 'CANCELED', 'FAILED']),
  statusReason: z.string().nullable(),
  numFailures: z.number(),
  numInterruptions: z.number(),
  numSyncFailures: z.number(),
  progress: z.object({ fraction: z.number().nullable(), message: z.string().nullable() }).nullable(),
  attempts: z.object({
    nodes: z.array(
      z.object({
        number: z.number(),
        machineId: z.string(),
        phase: z.string().nullable(),
        outcome: z.string().nullable(),
        reason: z.string().nullable(),
        exitCode: z.number().nullable(),
        signal: z.string().nullable(),
      }),
    ),
  }),
});
export type JobState = z.infer<typeof jobState>;

const FOLLOW = `subscription Follow($id: ID!) {
  jobUpdated(id: $id) {
    id status statusReason numFailures numInterruptions numSyncFailures
    progress { fraction message }
    attempts(first: 50) { nodes { number machineId phase outcome reason exitCode signal } }
  }
}`;

/** A job as its owner sees it, live. */
export interface FollowedJob {
  id: string;
  /** The first state, of those that were told since the job was followed, that fits. */
  until(fits: (state: JobState) => boolean): Promise<JobState>;
  /** The state in which the job has come to its end. */
  end(): Promise<JobState>;
}

const PATIENCE_MS = 25_000;

/** Follows a job by subscription. Ends with the client. */
export function follow(client: Client, id: string): FollowedJob {
  const states: JobState[] = [];
  let news = Promise.withResolvers<undefined>();
  let fault: unknown;
  void listen()
    .catch((error: unknown) => (fault = error))
    .finally(() => {
      fault ??= new Error('the subscription has ended');
      news.resolve(undefined);
    });

  async function listen(): Promise<void> {
    for await (const { data, errors } of client.iterate({ query: FOLLOW, variables: { id } })) {
      if (errors !== undefined) throw new Error(errors.map(({ message }) => message).join('; '));
      states.push(z.object({ jobUpdated: jobState }).parse(data).jobUpdated);
      news.resolve(undefined);
      news = Promise.withResolvers();
    }
  }

  const until: FollowedJob['until'] = async (fits) => {
    const late = Promise.withResolvers<'LATE'>();
    const timer = setTimeout(() => late.resolve('LATE'), PATIENCE_MS);
    try {
      for (;;) {
        const found = states.find(fits);
        if (found !== undefined) return found;
        if (fault !== undefined) throw new Error(`job ${id} can no longer be followed`, { cause: fault });
        if ((await Promise.race([news.promise, late.promise])) === 'LATE') {
          throw new Error(`job ${id} did not fit ${fits.toString()}; it is ${JSON.stringify(states.at(-1), null, 1)}`);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  };
  return { id, until, end: () => until(({ status }) => status !== 'PENDING' && status !== 'RUNNING') };
}
