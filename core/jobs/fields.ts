import { z } from 'zod';
import { listOf, recordOf } from '../../lib/few-faults.ts';

/**
 * The fields of a submission, each with its bound. GraphQL and REST build their inputs from these, under their own names, so
 * that both refuse the same things for the same reasons.
 */

/** Linux takes at most 128 KiB for one argument or variable, its closing zero byte included. */
const MAX_ARGUMENT_BYTES = 131_071;
/**
 * Everything that is stored of one job's submission, as JSON. Bounded because lists show whole jobs, and because arguments and
 * environment must fit what Linux takes for a command line, by default eight times as much.
 */
export const MAX_JOB_BYTES = 262_144;
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

/** As JSON.stringify writes a zero character and half a pair. A backslash before it that is itself escaped is none. */
const UNSTORABLE_JSON = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

/**
 * An object of which the JSON has at most `max` characters, which is what agents count before they send, and whose texts can be stored,
 * however deep they lie.
 */
export function jsonObject(max: number) {
  // No member takes less than the five characters of `"":0,`.
  return recordOf(text({ max: 100 }), z.json(), Math.ceil(max / 5))
    .refine((value) => JSON.stringify(value).length <= max, { error: `Expected at most ${max} characters of JSON` })
    .refine((value) => !UNSTORABLE_JSON.test(JSON.stringify(value)), {
      error: 'Zero characters (U+0000) and halves of surrogate pairs cannot be stored: remove them',
    });
}

const argument = storable(z.string()).refine((value) => Buffer.byteLength(value) <= MAX_ARGUMENT_BYTES, {
  error: `Expected at most ${MAX_ARGUMENT_BYTES} bytes: no Linux process takes more in one argument or variable. Put large data into a file and sync it`,
});

const variableName = text({ min: 1, max: 255 }).refine((name) => !name.includes('='), {
  error: 'A variable name cannot contain "="',
});

export const containerGroupId = text({ min: 1, max: 255 });
export const machineId = text({ min: 1, max: 255 });

export const jobFields = {
  command: text({ min: 1, max: 4096 }),
  arguments: listOf(argument).max(10_000, { error: 'Expected at most 10,000 arguments' }),
  environment: recordOf(variableName, argument, 1_000),
  containerGroupId,
  compression: z.boolean(),
  webhook: text({ min: 1, max: 2_048 }).refine(isHttpUrl, {
    error:
      'Expected a URL that starts with http:// or https://, without spaces, and without a user name or password in it',
  }),
  name: text({ min: 1, max: 255 }),
  priority: z.int().min(-100).max(100),
  labels: recordOf(text({ min: 1, max: 255 }), text({ max: 255 }), 64),
  maxFailures: z.int().min(1).max(1_000_000),
  maxInterruptions: z.int().min(0).max(1_000_000),
  timeoutSeconds: z.int().min(1).max(31_536_000),
  stallTimeoutSeconds: z.int().min(1).max(31_536_000),
  heartbeatInterval: z.int().min(1).max(86_400),
  // No control characters: the keys of a batch's jobs are made with one.
  idempotencyKey: text({ min: 1, max: 255 }).refine((key) => !/\p{Cc}/u.test(key), {
    error: 'Expected no control characters',
  }),
};

export const syncFields = {
  bucket: text({ min: 1, max: 255 }).regex(/^[^/\s]+$/, { error: 'A bucket name cannot contain "/" or spaces' }),
  prefix: text({ max: 1_000 })
    .refine((prefix) => !prefix.split('/').some((part) => part === '..' || part === '.'), {
      error: 'A prefix cannot contain "." or ".." as a part: write the path without them',
    })
    .refine((prefix) => !prefix.startsWith('/'), { error: 'A prefix starts without "/"' }),
  localPath: text({ min: 1, max: 4_096 }),
  pattern: text({ min: 1, max: 255 }),
};

/** At most so many entries in each of `before`, `during` and `after`. */
export const MAX_SYNC_ENTRIES = 32;

/** `models` becomes `models/`; the empty prefix is the bucket's root. */
export function normalPrefix(prefix: string): string {
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
}

/** Others read a URL less kindly than WHATWG's rules do, which take `http:host` and `http:\\\\host`, and skip line feeds. */
const PLAIN_HTTP = /^https?:\/\/[^\s\\@/?#]+([/?#][^\s\\]*)?$/i;

function isHttpUrl(value: string): boolean {
  const url = URL.parse(value);
  return PLAIN_HTTP.test(value) && url !== null && url.username === '' && url.password === '';
}
