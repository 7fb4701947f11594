import { z } from 'zod';
import { compilePattern } from '../../lib/pattern.ts';
import type { SyncEntry } from '../../db/entities/job.ts';

/**
 * The fields of a submission, each with its bound. GraphQL and REST build their inputs from these, under their own names, so
 * that both refuse the same things for the same reasons.
 */

/** Linux takes at most 128 KiB for one argument or variable, its closing zero byte included. */
export const MAX_ARGUMENT_BYTES = 131_071;
/** Arguments and environment together; half of what Linux takes by default. */
export const MAX_COMMAND_LINE_BYTES = 1_048_576;
export const MAX_BATCH = 1_000;

/** Text that PostgreSQL, a file system and a process can all hold: no zero character, no half of a surrogate pair. */
export function text(bounds: { min?: number; max: number }): z.ZodString {
  const bounded = z
    .string()
    .min(bounds.min ?? 0, { error: `Expected at least ${bounds.min ?? 0} character` })
    .max(bounds.max, { error: `Expected at most ${bounds.max} characters` });
  return storable(bounded);
}

/** A zero character or half a pair can't be stored, passed to a process, or written to a file. */
function storable(schema: z.ZodString): z.ZodString {
  return schema
    .refine((value) => !value.includes('\0'), { error: 'A zero character (U+0000) cannot be stored: remove it' })
    .refine((value) => value.isWellFormed(), { error: 'Expected valid Unicode, got half of a surrogate pair' });
}

const argument = storable(z.string()).refine((value) => Buffer.byteLength(value) <= MAX_ARGUMENT_BYTES, {
  error: `Expected at most ${MAX_ARGUMENT_BYTES} bytes: no Linux process takes more in one argument or variable. Put large data into a file and sync it`,
});

const variableName = text({ min: 1, max: 255 }).refine((name) => !name.includes('='), {
  error: 'A variable name cannot contain "="',
});

function boundedRecord<Value extends z.ZodType<string>>(key: z.ZodType<string, string>, value: Value, max: number) {
  return z.record(key, value).refine((record) => Object.keys(record).length <= max, {
    error: `Expected at most ${max} entries`,
  });
}

export const containerGroupId = text({ min: 1, max: 255 });
export const machineId = text({ min: 1, max: 255 });

export const jobFields = {
  command: text({ min: 1, max: 4096 }),
  arguments: z.array(argument).max(10_000, { error: 'Expected at most 10,000 arguments' }),
  environment: boundedRecord(variableName, argument, 1_000),
  containerGroupId,
  compression: z.boolean(),
  webhook: text({ min: 1, max: 2_048 }).refine(isHttpUrl, {
    error: 'Expected a URL that starts with http:// or https://',
  }),
  name: text({ min: 1, max: 255 }),
  priority: z.int().min(-100).max(100),
  labels: boundedRecord(text({ min: 1, max: 255 }), text({ max: 255 }), 64),
  maxFailures: z.int().min(1).max(1_000_000),
  maxInterruptions: z.int().min(0).max(1_000_000),
  timeoutSeconds: z.int().min(1).max(31_536_000),
  heartbeatInterval: z.int().min(1).max(86_400),
  idempotencyKey: text({ min: 1, max: 255 }),
};

export const syncFields = {
  bucket: text({ min: 1, max: 255 }).regex(/^[^/\s]+$/, { error: 'A bucket name cannot contain "/" or spaces' }),
  prefix: text({ max: 1_000 })
    .refine((prefix) => !prefix.split('/').some((part) => part === '..' || part === '.'), {
      error: 'A prefix cannot contain "." or ".." as a part: write the path without them',
    })
    .refine((prefix) => !prefix.startsWith('/'), { error: 'A prefix starts without "/"' }),
  localPath: text({ min: 1, max: 4_096 }),
  pattern: text({ min: 1, max: 1_000 }),
};

/** At most so many entries in each of `before`, `during` and `after`. */
export const MAX_SYNC_ENTRIES = 100;

/** `models` becomes `models/`; the empty prefix is the bucket's root. */
export function normalPrefix(prefix: string): string {
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
}

/** The fault of a pattern, or undefined when it compiles. */
export function patternFault(pattern: string, syntax: SyncEntry['patternSyntax']): string | undefined {
  try {
    compilePattern(pattern, syntax === null ? undefined : syntax === 'GLOB' ? 'glob' : 'regex');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isHttpUrl(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '';
}
