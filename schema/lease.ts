import { z } from 'zod';
import { gpuSampleSchema } from '../core/agents/gpu-use.ts';
import { inputOf } from '../core/input.ts';
import { jsonObject, text } from '../core/jobs/fields.ts';
import { heartbeat } from '../core/leases/renew.ts';
import { AttemptPhaseRef } from './attempt.ts';
import { builder } from './builder.ts';
import {
  count,
  leaseFailures,
  leaseFields,
  leaseInputs,
  transferredFields,
  transferredInputs,
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

const GpuUseInput = builder.inputType('GpuUseInput', {
  description: 'How busy one GPU is.',
  fields: (t) => ({
    index: t.int({ required: true, description: 'Its number on the machine.' }),
    utilization: t.float({ description: 'Between 0 and 1.' }),
    memoryUsedBytes: t.float({ description: 'Memory in use, in bytes.' }),
  }),
});

const GpuSampleInput = builder.inputType('GpuSampleInput', {
  description: 'How busy the GPUs of a machine were.',
  fields: (t) => ({
    ageMillis: t.float({ required: true, description: 'So long ago, in milliseconds.' }),
    gpus: t.field({ type: [GpuUseInput], required: true, description: '1 to 64 GPUs.' }),
  }),
});

const TransferInput = builder.inputType('TransferInput', {
  description: 'How far downloads or uploads are. Totals are what is known of so far.',
  fields: (t) => ({
    filesDone: t.int({ required: true, description: 'Files that are whole.' }),
    filesTotal: t.int({ required: true, description: 'Files in all.' }),
    bytesDone: t.field({ type: 'BigInt', required: true, description: 'Bytes moved, of files under way too.' }),
    bytesTotal: t.field({ type: 'BigInt', required: true, description: 'Bytes in all.' }),
    bytesPerSecond: t.float({ required: true, description: 'How quick it has been in the last seconds.' }),
  }),
});

const HeartbeatInput = builder.inputType('HeartbeatInput', {
  description: 'A sign of life of an attempt.',
  fields: (t) => ({
    ...leaseInputs(t),
    phase: t.field({ type: AttemptPhaseRef, description: 'What it is doing, where that has changed.' }),
    progress: t.field({ type: ProgressInput, description: 'What the command says of itself, where that has changed.' }),
    gpuSample: t.field({
      type: GpuSampleInput,
      description: 'How busy the machine’s GPUs are. One is kept, with the agent, at most every 5 seconds.',
    }),
    transfer: t.field({
      type: TransferInput,
      description: 'How far its downloads or uploads are, while it is DOWNLOADING or UPLOADING.',
    }),
    syncLagSeconds: t.float({
      description:
        'For how long the oldest change that is synced during the command has not been in storage, in seconds; 0 when ' +
        'everything is. Left out where nothing is synced.',
    }),
    warning: t.string({
      description:
        'What hinders it now, for a person, at most 500 characters; null when nothing does (any more). Left out, what was said last goes on.',
    }),
    ...transferredInputs(t),
  }),
});

/** A century: what is older is no age but a fault. */
const LONGEST_LAG_SECONDS = 3_155_760_000;

const heartbeatSchema = z.strictObject({
  ...leaseFields,
  ...transferredFields,
  phase: z
    .enum(['DOWNLOADING', 'RUNNING', 'UPLOADING'])
    .nullish()
    .transform((phase) => phase ?? undefined),
  gpuSample: gpuSampleSchema.nullish().transform((sample) => sample ?? undefined),
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
  transfer: z
    .strictObject({
      filesDone: count,
      filesTotal: count,
      bytesDone: z.string(),
      bytesTotal: z.string(),
      bytesPerSecond: z.number().min(0).max(1e15),
    })
    .nullish()
    .transform((transfer) => transfer ?? undefined),
  syncLagSeconds: z.number().min(0).max(LONGEST_LAG_SECONDS).nullish(),
  warning: text({ min: 1, max: 500 }).nullish(),
});

builder.mutationField('heartbeat', (t) =>
  t.field({
    type: LeaseRef,
    errors: leaseFailures,
    description: 'Renews the lease of an attempt, and stores what it says of itself.',
    args: { input: t.arg({ type: HeartbeatInput, required: true, description: 'The sign of life.' }) },
    resolve: async (_root, args, { core, viewer }) => {
      const { jobId, attempt, ...pulse } = inputOf(viewer, 'work', heartbeatSchema, args.input);
      const lease = await heartbeat(core, viewer, { jobId, attempt }, pulse);
      return { leaseMillis: lease.leaseMillis, directive: lease.draining ? ('STOP' as const) : ('CONTINUE' as const) };
    },
  }),
);
