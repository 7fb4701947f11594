import { z } from 'zod';
import { parseInput } from '../core/input.ts';
import { jsonObject, text } from '../core/jobs/fields.ts';
import { heartbeat } from '../core/leases/renew.ts';
import { AttemptPhaseRef } from './attempt.ts';
import { builder } from './builder.ts';
import {
  attemptDescription,
  byteFields,
  downloaded,
  jobIdDescription,
  leaseFailures,
  leaseFields,
  uploaded,
} from './lease-fields.ts';

const LeaseDirectiveRef = builder.enumType('LeaseDirective', {
  description: 'What the holder of a lease should do.',
  values: {
    CONTINUE: { description: 'Go on.' },
    STOP: { description: 'Stop the command, flush, and release the job.' },
  } as const,
});

const LeaseRef = builder.objectRef<{ leaseMillis: number; directive: 'CONTINUE' | 'STOP' }>('Lease').implement({
  description: 'A renewed lease.',
  fields: (t) => ({
    leaseMillis: t.exposeInt('leaseMillis', { description: 'How long it lasts from now, in milliseconds.' }),
    directive: t.expose('directive', { type: LeaseDirectiveRef, description: 'What to do.' }),
  }),
});

const ProgressInput = builder.inputType('ProgressInput', {
  description: 'What the command says of itself.',
  fields: (t) => ({
    fraction: t.float({ description: 'Between 0 and 1.' }),
    message: t.string({ description: 'For a person.' }),
    metrics: t.field({ type: 'JSONObject', description: 'Whatever the command measures.' }),
  }),
});

const HeartbeatInput = builder.inputType('HeartbeatInput', {
  description: 'A sign of life of an attempt.',
  fields: (t) => ({
    jobId: t.id(jobIdDescription),
    attempt: t.int(attemptDescription),
    phase: t.field({ type: AttemptPhaseRef, description: 'What it is doing, where that has changed.' }),
    progress: t.field({ type: ProgressInput, description: 'What the command says of itself, where that has changed.' }),
    bytesDownloaded: t.field(downloaded),
    bytesUploaded: t.field(uploaded),
  }),
});

const heartbeatSchema = z.strictObject({
  ...leaseFields,
  ...byteFields,
  phase: z
    .enum(['DOWNLOADING', 'RUNNING', 'UPLOADING'])
    .nullish()
    .transform((phase) => phase ?? undefined),
  progress: z
    .strictObject({
      fraction: z
        .number()
        .min(0)
        .max(1)
        .nullish()
        .transform((value) => value ?? null),
      message: text({ max: 1_000 })
        .nullish()
        .transform((value) => value ?? null),
      metrics: jsonObject(10_000)
        .nullish()
        .transform((value) => value ?? null),
    })
    .nullish()
    .transform((progress) => progress ?? undefined),
});

builder.mutationField('heartbeat', (t) =>
  t.field({
    type: LeaseRef,
    errors: leaseFailures,
    description: 'Renews the lease of an attempt, and stores what it says of itself.',
    args: { input: t.arg({ type: HeartbeatInput, required: true, description: 'The sign of life.' }) },
    resolve: async (_root, args, { core, viewer }) => {
      const { jobId, attempt, ...pulse } = parseInput(heartbeatSchema, args.input);
      const lease = await heartbeat(core, viewer, { jobId, attempt }, pulse);
      return { leaseMillis: lease.leaseMillis, directive: lease.draining ? ('STOP' as const) : ('CONTINUE' as const) };
    },
  }),
);
