import { constants } from 'node:os';
import { z } from 'zod';
import { inputOf } from '../core/input.ts';
import { text } from '../core/jobs/fields.ts';
import { finishAttempt, type Ending } from '../core/leases/finish.ts';
import { AttemptOutcomeRef } from './attempt.ts';
import { builder } from './builder.ts';
import { JobRef } from './job.ts';
import { leaseFailures, leaseFields, leaseInputs, transferredFields, transferredInputs } from './lease-fields.ts';

const CompleteAttemptInput = builder.inputType('CompleteAttemptInput', {
  description: 'The command exited 0, and everything it should leave is in storage.',
  fields: (t) => ({
    ...leaseInputs(t),
    ...transferredInputs(t),
  }),
});

const FailAttemptInput = builder.inputType('FailAttemptInput', {
  description: 'The attempt ended badly.',
  fields: (t) => ({
    ...leaseInputs(t),
    outcome: t.field({ type: AttemptOutcomeRef, required: true, description: 'FAILED, SYNC_FAILED or TIMED_OUT.' }),
    reason: t.string({ required: true, description: 'For a person who wants to act on it.' }),
    exitCode: t.int({ description: 'The command’s exit code.' }),
    signal: t.string({ description: 'The signal that ended the command, as SIGKILL; what names none is left out.' }),
    ...transferredInputs(t),
  }),
});

const ReleaseAttemptInput = builder.inputType('ReleaseAttemptInput', {
  description: 'The agent gives the job back; another machine may have it at once.',
  fields: (t) => ({
    ...leaseInputs(t),
    reason: t.string({ description: 'For a person.' }),
    ...transferredInputs(t),
  }),
});

const MAX_REASON = 10_000;

const completeSchema = z.strictObject({ ...leaseFields, ...transferredFields });
const releaseSchema = z.strictObject({
  ...leaseFields,
  ...transferredFields,
  reason: text({ max: MAX_REASON })
    .nullish()
    .transform((reason) => reason ?? 'The agent gave the job back'),
});
const failSchema = z.strictObject({
  ...leaseFields,
  ...transferredFields,
  outcome: z.enum(['FAILED', 'SYNC_FAILED', 'TIMED_OUT'], { error: 'Expected FAILED, SYNC_FAILED or TIMED_OUT' }),
  reason: text({ min: 1, max: MAX_REASON }),
  exitCode: z
    .int()
    .nullish()
    .transform((code) => code ?? undefined),
  signal: z.string().nullish().transform(signalOf),
});

/**
 * The name of a signal, as a person may read it on a terminal: of `KILL`, `sigkill` and `9` it is SIGKILL. What names none is left out:
 * were the report refused for it, a job whose command fails would be lost and begun again without end.
 */
function signalOf(told: string | null | undefined): string | undefined {
  const name = (told ?? '').trim().toUpperCase();
  if (/^SIG[A-Z0-9+-]{1,16}$/.test(name)) return name;
  const known = Object.entries(constants.signals);
  return known.find(([signal, number]) => name === signal.slice('SIG'.length) || name === String(number))?.[0];
}

function endingField<Input extends { jobId: string; attempt: number }>(
  name: 'completeAttempt' | 'failAttempt' | 'releaseAttempt',
  description: string,
  input: typeof CompleteAttemptInput | typeof FailAttemptInput | typeof ReleaseAttemptInput,
  schema: z.ZodType<Input>,
  endingOf: (input: Input) => Ending,
): void {
  builder.mutationField(name, (t) =>
    t.field({
      type: JobRef,
      errors: leaseFailures,
      description: `${description} Safe to repeat until it is answered.`,
      args: { input: t.arg({ type: input, required: true, description: 'How it ended.' }) },
      resolve: (_root, args, { core, viewer }) => {
        const ended: Input = inputOf(viewer, 'work', schema, args.input);
        return finishAttempt(core, viewer, { jobId: ended.jobId, attempt: ended.attempt }, endingOf(ended));
      },
    }),
  );
}

endingField('completeAttempt', 'Ends an attempt and its job well.', CompleteAttemptInput, completeSchema, (input) => ({
  ...input,
  outcome: 'COMPLETED',
  reason: null,
}));
endingField('failAttempt', 'Ends an attempt badly.', FailAttemptInput, failSchema, (input) => input);
endingField('releaseAttempt', 'Gives a job back.', ReleaseAttemptInput, releaseSchema, (input) => ({
  ...input,
  outcome: 'RELEASED',
}));
