import { z } from 'zod';
import { claimForAgent } from '../core/agents/work.ts';
import { ForbiddenError, InvalidInputError, NotFoundError } from '../core/errors.ts';
import { inputOf } from '../core/input.ts';
import { leaseMillis } from '../core/leases/terms.ts';
import type { Attempt } from '../db/entities/attempt.ts';
import type { Job } from '../db/entities/job.ts';
import { AgentSignalTypeRef } from './agent.ts';
import { AttemptRef } from './attempt.ts';
import { builder } from './builder.ts';
import { JobRef } from './job.ts';

interface ClaimedWork {
  job: Job;
  attempt: Attempt;
  leaseMillis: number;
  traceParent: string | null;
}

const ClaimRef = builder.objectRef<ClaimedWork>('Claim').implement({
  description: 'A job that now belongs to the asking agent, as long as its lease is renewed.',
  fields: (t) => ({
    job: t.expose('job', { type: JobRef, description: 'What to do.' }),
    attempt: t.expose('attempt', {
      type: AttemptRef,
      description: 'The attempt that begins; its number is the fence.',
    }),
    leaseMillis: t.exposeInt('leaseMillis', { description: 'How long the lease lasts from now, in milliseconds.' }),
    traceParent: t.exposeString('traceParent', {
      nullable: true,
      description:
        'The attempt in the job’s trace, as a W3C traceparent, for spans of the agent and of the command; null where the job has none.',
    }),
  }),
});

/** No error of the core: the ordinary answer when the queue has nothing for a machine. */
class NoWork extends Error {
  readonly retryAfterMillis: number;
  /** Why there will be none for this agent. */
  readonly signal: 'DRAIN' | 'REALLOCATE' | undefined;
  constructor(retryAfterMillis: number, signal: NoWork['signal']) {
    super('There is no job for this machine now');
    this.retryAfterMillis = retryAfterMillis;
    this.signal = signal;
  }
}

builder.objectType(NoWork, {
  name: 'NoWork',
  description: 'There is nothing to claim now.',
  fields: (t) => ({
    retryAfterMillis: t.exposeInt('retryAfterMillis', {
      description: 'Ask again when WORK_AVAILABLE is signalled, and after this many milliseconds in any case.',
    }),
    signal: t.field({
      type: AgentSignalTypeRef,
      nullable: true,
      description: 'What to do instead, where this agent gets no work whatever comes: DRAIN or REALLOCATE.',
      resolve: (nothing) => nothing.signal ?? null,
    }),
  }),
});

const ClaimJobInput = builder.inputType('ClaimJobInput', {
  description: 'Who asks for work.',
  fields: (t) => ({
    agentId: t.id({ required: true, description: 'The agent, as it was registered.' }),
    claimId: t.id({
      description: 'A UUID of the agent’s choice. Asked for again, because the answer was lost, it is the same claim.',
    }),
  }),
});

const claimSchema = z.object({
  agentId: z.string(),
  claimId: z
    .uuid({ error: 'Expected a UUID, made anew for each claim' })
    .nullish()
    .transform((claimId) => claimId ?? undefined),
});

builder.mutationField('claimJob', (t) =>
  t.field({
    type: ClaimRef,
    errors: { types: [NoWork, NotFoundError, InvalidInputError, ForbiddenError] },
    description: 'The next job for the agent’s machine, running from now on.',
    args: { input: t.arg({ type: ClaimJobInput, required: true, description: 'Who asks.' }) },
    resolve: async (_root, { input }, context) => {
      const { core, viewer, signals } = context;
      const work = await claimForAgent(core, signals, viewer, inputOf(viewer, 'work', claimSchema, input));
      if (work.job === undefined) throw new NoWork(work.askAgainMillis, work.signal);
      const { job } = work;
      context.claimed.push(job.id);
      const attempt = await context.lookups.newestAttempt(job);
      if (attempt === undefined) throw new Error(`Job ${job.id} was claimed without an attempt`);
      const traceParent = core.traces.attemptParent(job);
      return { job, attempt, leaseMillis: leaseMillis(job.heartbeatInterval), traceParent };
    },
  }),
);
