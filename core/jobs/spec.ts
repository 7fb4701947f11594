import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { LegacySync, Sync, SyncEntry } from '../../db/entities/job.ts';
import { listOf } from '../../lib/few-faults.ts';
import { jobFields, MAX_BATCH, MAX_JOB_BYTES, MAX_SYNC_ENTRIES, normalPrefix, syncFields } from './fields.ts';
import { checkPatterns } from './patterns.ts';

/** A submission as the core takes it: every field present, defaults filled in. */
export interface JobSpec {
  name: string | null;
  command: string;
  arguments: string[];
  environment: Record<string, string>;
  containerGroupId: string;
  sync: Sync | null;
  legacySync: LegacySync | null;
  compression: boolean;
  webhook: string | null;
  priority: number;
  labels: Record<string, string>;
  maxFailures: number;
  maxInterruptions: number | null;
  timeoutSeconds: number | null;
  stallTimeoutSeconds: number | null;
  heartbeatInterval: number;
  idempotencyKey: string | null;
  /** The fields as they were given, without defaults, but for the key: what makes it the same as another one. */
  given: Readonly<Record<string, unknown>>;
}

const syncEntry = z.strictObject({
  bucket: syncFields.bucket,
  prefix: syncFields.prefix.transform(normalPrefix),
  localPath: syncFields.localPath,
  direction: z.enum(['DOWNLOAD', 'UPLOAD']),
  pattern: syncFields.pattern.nullish().transform((pattern) => pattern ?? null),
  patternSyntax: z
    .enum(['GLOB', 'REGEX'])
    .nullish()
    .transform((syntax) => syntax ?? null),
});

function syncEntries(direction: SyncEntry['direction'], error: string) {
  return listOf(syncEntry)
    .max(MAX_SYNC_ENTRIES, { error: `Expected at most ${MAX_SYNC_ENTRIES} entries` })
    .nullish()
    .transform((entries) => entries ?? [])
    .superRefine((entries, context) => {
      entries.forEach((entry, index) => {
        if (entry.direction !== direction)
          context.addIssue({ code: 'custom', path: [index, 'direction'], message: error });
      });
    });
}

const bucketAndPrefix = { bucket: syncFields.bucket, prefix: syncFields.prefix.transform(normalPrefix) };

const givenSchema = z
  .strictObject({
    ...jobFields,
    name: orNull(jobFields.name),
    arguments: jobFields.arguments.nullish().transform((value) => value ?? []),
    environment: jobFields.environment.nullish().transform((value) => value ?? {}),
    compression: jobFields.compression.nullish().transform((value) => value ?? false),
    webhook: orNull(jobFields.webhook),
    priority: jobFields.priority.nullish().transform((value) => value ?? 0),
    labels: jobFields.labels.nullish().transform((value) => value ?? {}),
    maxFailures: jobFields.maxFailures.nullish().transform((value) => value ?? 3),
    maxInterruptions: orNull(jobFields.maxInterruptions),
    timeoutSeconds: orNull(jobFields.timeoutSeconds),
    stallTimeoutSeconds: orNull(jobFields.stallTimeoutSeconds),
    heartbeatInterval: jobFields.heartbeatInterval.nullish().transform((value) => value ?? 30),
    idempotencyKey: orNull(jobFields.idempotencyKey),
    sync: orNull(
      z.strictObject({
        before: syncEntries('DOWNLOAD', 'What is synced before the command must be a download'),
        during: syncEntries('UPLOAD', 'What is synced during the command must be an upload'),
        after: syncEntries('UPLOAD', 'What is synced after the command must be an upload'),
      }),
    ),
    legacySync: orNull(
      z.strictObject({
        inputBucket: bucketAndPrefix.bucket,
        inputPrefix: bucketAndPrefix.prefix,
        checkpointBucket: bucketAndPrefix.bucket,
        checkpointPrefix: bucketAndPrefix.prefix,
        outputBucket: bucketAndPrefix.bucket,
        outputPrefix: bucketAndPrefix.prefix,
      }),
    ),
  })
  .superRefine((spec, context) => {
    if (spec.sync !== null && spec.legacySync !== null) {
      context.addIssue({
        code: 'custom',
        path: ['sync'],
        message: 'Give either sync or the six older fields, not both',
      });
    }
    const bytes = Buffer.byteLength(JSON.stringify(spec));
    if (bytes > MAX_JOB_BYTES) {
      const message = `The job takes ${bytes} bytes as JSON, at most ${MAX_JOB_BYTES} are stored, and this field is the largest. Put large data into files and sync them`;
      context.addIssue({ code: 'custom', path: [largestField(spec)], message });
    }
  });

/** A job but for its patterns, which are checked for all jobs of a request together: see `withPatterns` and `batchOf`. */
export const jobSpecWithoutPatterns = z.custom<z.input<typeof givenSchema>>().transform((given, context): JobSpec => {
  const result = givenSchema.safeParse(given);
  if (result.success) return { ...result.data, given: { ...given, idempotencyKey: null } };
  for (const issue of result.error.issues) context.addIssue({ ...issue });
  return z.NEVER;
});

/** What gives a job, with its patterns checked: to be parsed asynchronously, as these may take a while. */
export function withPatterns<Job extends z.ZodType<JobSpec>>(job: Job): Job {
  return job.superRefine(
    (spec, context) => checkPatterns([spec], (_, path, message) => context.addIssue({ code: 'custom', path, message })),
    ONCE_SOUND,
  );
}

/** 1 to 1,000 of what gives a job, with their patterns checked: likewise. */
export function batchOf<Job extends z.ZodType<JobSpec>>(job: Job) {
  return listOf(job)
    .min(1, { error: 'Expected at least 1 job' })
    .max(MAX_BATCH, { error: `Expected at most ${MAX_BATCH} jobs: send the rest in another request` })
    .superRefine(
      (specs, context) =>
        checkPatterns(specs, (index, path, message) =>
          context.addIssue({ code: 'custom', path: [index, ...path], message }),
        ),
      ONCE_SOUND,
    );
}

/** What has other faults is no job yet that could be looked at. */
const ONCE_SOUND = { when: ({ issues }: z.core.ParsePayload) => issues.length === 0 };

/** The names of the core, as GraphQL has them; REST's faces of the same fields are in `server/rest/`. */
export const jobSpecSchema = withPatterns(jobSpecWithoutPatterns);
export const jobSpecsSchema = batchOf(jobSpecWithoutPatterns);

/**
 * The same submission, of one job or of a batch, gives the same hash, whatever the order of its fields (rule 14). It is made of what was
 * given, and not of what that means here: a server that knows more fields, or has other defaults, takes a repetition for one.
 */
export function specHash(submission: JobSpec | readonly JobSpec[]): string {
  const given = 'given' in submission ? submission.given : submission.map((spec) => spec.given);
  return createHash('sha256')
    .update(JSON.stringify(canonical(given)))
    .digest('hex');
}

/** Without what is null, which is as good as absent. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const said = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
  const sorted = said.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, inner]) => [key, canonical(inner)]));
}

function largestField(spec: Pick<JobSpec, 'arguments' | 'environment' | 'labels' | 'sync'>): string {
  const { arguments: list, environment, labels, sync } = spec;
  const sizes = Object.entries({ arguments: list, environment, labels, sync }).map(
    ([name, value]) => [name, Buffer.byteLength(JSON.stringify(value))] as const,
  );
  return sizes.reduce((largest, one) => (one[1] > largest[1] ? one : largest))[0];
}

function orNull<Schema extends z.ZodType>(schema: Schema) {
  return schema.nullish().transform((value): z.output<Schema> | null => value ?? null);
}
