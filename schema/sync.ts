import type { LegacySync, Sync, SyncEntry } from '../db/entities/job.ts';
import { builder } from './builder.ts';

const SyncDirectionRef = builder.enumType('SyncDirection', {
  description: 'Which way the files go.',
  values: {
    DOWNLOAD: { description: 'From the bucket to the machine.' },
    UPLOAD: { description: 'From the machine to the bucket.' },
  } as const,
});

const PatternSyntaxRef = builder.enumType('PatternSyntax', {
  description: 'How a pattern is to be read. Without it, the pattern itself decides.',
  values: {
    GLOB: {
      description: 'Shell wildcards, against the relative path, or the file name where the pattern has no slash.',
    },
    REGEX: { description: 'A regular expression (RE2), searched in the relative path.' },
  } as const,
});

const SyncEntryRef = builder.objectRef<SyncEntry>('SyncEntry').implement({
  description: 'One direction of one directory.',
  fields: (t) => ({
    bucket: t.exposeString('bucket', { description: 'Name of the bucket.' }),
    prefix: t.exposeString('prefix', {
      description: 'Keys start with it; empty for the bucket’s root, else ending in a slash.',
    }),
    localPath: t.exposeString('localPath', {
      description: 'Directory on the machine; a relative one is relative to the working directory.',
    }),
    direction: t.expose('direction', { type: SyncDirectionRef, description: 'Which way the files go.' }),
    pattern: t.exposeString('pattern', { nullable: true, description: 'Which files; all without it.' }),
    patternSyntax: t.expose('patternSyntax', {
      type: PatternSyntaxRef,
      nullable: true,
      description: 'How the pattern is to be read, where it was told.',
    }),
  }),
});

export const SyncRef = builder.objectRef<Sync>('Sync').implement({
  description: 'What is carried between storage and machine, and when.',
  fields: (t) => ({
    before: t.expose('before', { type: [SyncEntryRef], description: 'Downloaded before the command starts.' }),
    during: t.expose('during', {
      type: [SyncEntryRef],
      description: 'Uploaded while the command runs, as files appear and change.',
    }),
    after: t.expose('after', { type: [SyncEntryRef], description: 'Uploaded after the command has succeeded.' }),
  }),
});

const legacy = {
  inputBucket: 'Bucket of the inputs.',
  inputPrefix: 'Prefix of the inputs; downloaded to INPUT_DIR before the command starts.',
  checkpointBucket: 'Bucket of the checkpoints.',
  checkpointPrefix:
    'Prefix of the checkpoints; downloaded to CHECKPOINT_DIR before, and uploaded from it during the command.',
  outputBucket: 'Bucket of the outputs.',
  outputPrefix: 'Prefix of the outputs; uploaded from OUTPUT_DIR during and after the command.',
} satisfies Record<keyof LegacySync, string>;

export const LegacySyncRef = builder.objectRef<LegacySync>('LegacySync').implement({
  description: 'The older form of sync: three buckets with fixed directories.',
  fields: (t) => ({
    inputBucket: t.exposeString('inputBucket', { description: legacy.inputBucket }),
    inputPrefix: t.exposeString('inputPrefix', { description: legacy.inputPrefix }),
    checkpointBucket: t.exposeString('checkpointBucket', { description: legacy.checkpointBucket }),
    checkpointPrefix: t.exposeString('checkpointPrefix', { description: legacy.checkpointPrefix }),
    outputBucket: t.exposeString('outputBucket', { description: legacy.outputBucket }),
    outputPrefix: t.exposeString('outputPrefix', { description: legacy.outputPrefix }),
  }),
});

const SyncEntryInput = builder.inputType('SyncEntryInput', {
  description: 'One direction of one directory.',
  fields: (t) => ({
    bucket: t.string({ required: true, description: 'Name of the bucket.' }),
    prefix: t.string({ required: true, description: 'A slash is added at its end; empty for the bucket’s root.' }),
    localPath: t.string({ required: true, description: 'Directory on the machine.' }),
    direction: t.field({
      type: SyncDirectionRef,
      required: true,
      description: 'DOWNLOAD before, UPLOAD during and after.',
    }),
    pattern: t.string({ description: 'Which files; all without it.' }),
    patternSyntax: t.field({
      type: PatternSyntaxRef,
      description: 'How to read the pattern; without it, the pattern decides.',
    }),
  }),
});

export const SyncInput = builder.inputType('SyncInput', {
  description: 'What is carried between storage and machine, and when.',
  fields: (t) => ({
    before: t.field({ type: [SyncEntryInput], description: 'Downloaded before the command starts.' }),
    during: t.field({ type: [SyncEntryInput], description: 'Uploaded while the command runs.' }),
    after: t.field({ type: [SyncEntryInput], description: 'Uploaded after the command has succeeded.' }),
  }),
});

export const LegacySyncInput = builder.inputType('LegacySyncInput', {
  description: 'The older form of sync; all six fields belong together.',
  fields: (t) => ({
    inputBucket: t.string({ required: true, description: legacy.inputBucket }),
    inputPrefix: t.string({ required: true, description: legacy.inputPrefix }),
    checkpointBucket: t.string({ required: true, description: legacy.checkpointBucket }),
    checkpointPrefix: t.string({ required: true, description: legacy.checkpointPrefix }),
    outputBucket: t.string({ required: true, description: legacy.outputBucket }),
    outputPrefix: t.string({ required: true, description: legacy.outputPrefix }),
  }),
});
