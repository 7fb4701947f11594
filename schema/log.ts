import { z } from 'zod';
import { inputOf, parseInput } from '../core/input.ts';
import { appendLogs } from '../core/logs/append.ts';
import type { LogChunk } from '../core/logs/follow.ts';
import {
  attemptField,
  chunkFields,
  DEFAULT_TAIL,
  fromOffsetField,
  tailField,
  type LogLine,
} from '../core/logs/lines.ts';
import { builder } from './builder.ts';
import { JobRef } from './job.ts';
import { leaseFailures, leaseFields, leaseInputs } from './lease-fields.ts';

const LogStreamRef = builder.enumType('LogStream', {
  description: 'Where a line comes from.',
  values: {
    STDOUT: { description: 'The command’s standard output.' },
    STDERR: { description: 'The command’s standard error.' },
    KELPIE: { description: 'Not the command: what was left out here, or how an attempt ended.' },
  } as const,
});

const LogLineRef = builder.objectRef<LogLine>('LogLine').implement({
  description: 'One line of what a command wrote, as it wrote it: nothing in it is hidden.',
  fields: (t) => ({
    attempt: t.exposeInt('attempt', { description: 'The attempt whose command wrote it.' }),
    offset: t.exposeInt('offset', {
      description: 'Its number within the attempt, counted from 0. A line of KELPIE may have that of the next line.',
    }),
    at: t.expose('at', {
      type: 'DateTime',
      description: 'When it was written, by the agent’s clock since the attempt began.',
    }),
    stream: t.expose('stream', { type: LogStreamRef, description: 'Where it comes from.' }),
    text: t.exposeString('text', { description: 'Without its line end.' }),
  }),
});

const LogChunkRef = builder.objectRef<LogChunk>('LogChunk').implement({
  description: 'Some lines of one attempt in a row.',
  fields: (t) => ({
    attempt: t.exposeInt('attempt', { description: 'The attempt.' }),
    offset: t.exposeInt('offset', { description: 'Number of the first line.' }),
    nextOffset: t.exposeInt('nextOffset', {
      description: 'Number of the line after the last: with `attempt`, where to begin again.',
    }),
    lines: t.expose('lines', { type: [LogLineRef], description: 'The lines.' }),
  }),
});

builder.objectField(JobRef, 'logs', (t) =>
  t.field({
    type: [LogLineRef],
    description: 'The last lines of what its command wrote in one attempt.',
    args: {
      tail: t.arg.int({ description: 'At most so many lines, up to 10,000 (100).' }),
      attempt: t.arg.int({ description: 'Of this attempt (the newest).' }),
    },
    resolve: (job, args, context) => {
      const { tail, attempt } = parseInput(tailArguments, args);
      return context.lookups.logs({ job, tail: tail ?? DEFAULT_TAIL, attempt: attempt ?? undefined });
    },
  }),
);

const tailArguments = z.object({ tail: tailField.nullish(), attempt: attemptField.nullish() });

builder.subscriptionField('jobLogs', (t) =>
  t.field({
    type: LogChunkRef,
    description:
      'What a job’s command has written and writes, attempt after attempt, with a line where one ended and why. Ends with the job.',
    args: {
      jobId: t.arg.id({ required: true, description: 'The job.' }),
      attempt: t.arg.int({ description: 'The attempt to begin with (the newest).' }),
      fromOffset: t.arg.int({ description: 'Number of the line of it to begin with (0).' }),
    },
    subscribe: (_root, { jobId, ...args }, { viewer, logFollowers }) => {
      const { attempt, fromOffset } = parseInput(startArguments, args);
      return logFollowers.follow(viewer, jobId, {
        attempt: attempt ?? undefined,
        fromOffset: fromOffset ?? undefined,
      });
    },
    resolve: (chunk) => chunk,
  }),
);

const startArguments = z.object({ attempt: attemptField.nullish(), fromOffset: fromOffsetField.nullish() });

const LogLineInput = builder.inputType('LogLineInput', {
  description: 'One line of what the command wrote.',
  fields: (t) => ({
    stream: t.field({ type: LogStreamRef, required: true, description: 'Where it comes from.' }),
    afterMillis: t.float({ required: true, description: 'Milliseconds from the beginning of the attempt.' }),
    text: t.string({ required: true, description: 'Without its line end, at most 8,400 characters.' }),
  }),
});

const AppendLogsInput = builder.inputType('AppendLogsInput', {
  description: 'Some lines in a row.',
  fields: (t) => ({
    ...leaseInputs(t),
    offset: t.int({ required: true, description: 'Number of the first line within the attempt, counted from 0.' }),
    lines: t.field({
      type: [LogLineInput],
      required: true,
      description: 'At most 4,096 lines, and 128 KiB of text.',
    }),
  }),
});

const appendSchema = z.strictObject({ ...leaseFields, ...chunkFields });

const AppendedLogsRef = builder.objectRef<{ nextOffset: number }>('AppendedLogs').implement({
  description: 'Lines are stored.',
  fields: (t) => ({
    nextOffset: t.exposeInt('nextOffset', {
      description: 'Number of the line that should come next; one that was sent already was not taken: send it again.',
    }),
  }),
});

builder.mutationField('appendLogs', (t) =>
  t.field({
    type: AppendedLogsRef,
    errors: leaseFailures,
    description: 'Stores what the command of a living attempt has written. Safe to send twice.',
    args: { input: t.arg({ type: AppendLogsInput, required: true, description: 'The lines.' }) },
    resolve: (_root, args, { core, viewer }) => {
      const { jobId, attempt, ...chunk } = inputOf(viewer, 'work', appendSchema, args.input);
      return appendLogs(core, viewer, { jobId, attempt }, chunk);
    },
  }),
);
