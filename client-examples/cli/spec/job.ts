import { z } from 'zod';
import { usage } from '../exits.ts';
import type { SubmitJobInput } from '../generated/graphql.ts';
import { expected, placeOf, type Source } from './faults.ts';

/** A job before it is one: of a file, of flags, or a template with `{{columns}}`. */
export type JobDraft = Record<string, unknown>;

/** Columns of a sweep are texts, and so are flags: where a number belongs, digits are taken for one. */
const whole = z.union(
  [
    z.int(),
    z
      .string()
      .regex(/^-?\d+$/)
      .transform(Number),
  ],
  { error: expected('a whole number') },
);
const yesOrNo = z.union([z.boolean(), z.stringbool()], { error: expected('true or false') });
const text = textOf('a text');
const texts = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean()], { error: expected('a text') }).transform(String),
  {
    error: expected('names and texts'),
  },
);

function textOf(what: string) {
  return z.union([z.string(), z.number().transform(String)], { error: expected(what) });
}

/** The direction is clear from where an entry stands. */
function entries(direction: 'DOWNLOAD' | 'UPLOAD') {
  const fields = {
    bucket: textOf('the name of a bucket'),
    prefix: text.default(''),
    localPath: textOf('a path on the machine'),
    pattern: text.optional(),
    patternSyntax: z.enum(['GLOB', 'REGEX'], { error: expected('GLOB or REGEX') }).optional(),
    direction: z.literal(direction, { error: expected(`${direction}, or none at all`) }).default(direction),
  };
  const entry = z.strictObject(fields, { error: expected('an entry with "bucket" and "localPath"') });
  return z.array(entry, { error: expected('a list of entries') }).default([]);
}

/** The fields of the schema's SubmitJobInput, under the same names. What they may be, the server says. */
const job = z.strictObject({
  command: textOf('the program to run'),
  containerGroupId: textOf('the id of a container group'),
  arguments: z.array(text, { error: expected('a list of texts') }).optional(),
  environment: texts.optional(),
  name: text.optional(),
  labels: texts.optional(),
  priority: whole.optional(),
  compression: yesOrNo.optional(),
  webhook: text.optional(),
  sync: z
    .strictObject(
      { before: entries('DOWNLOAD'), during: entries('UPLOAD'), after: entries('UPLOAD') },
      { error: expected('"before", "during" and "after"') },
    )
    .optional(),
  maxFailures: whole.optional(),
  maxInterruptions: whole.optional(),
  timeoutSeconds: whole.optional(),
  stallTimeoutSeconds: whole.optional(),
  heartbeatInterval: whole.optional(),
  idempotencyKey: text.optional(),
} satisfies Partial<Record<keyof SubmitJobInput, z.ZodType>>);

/**
 * The jobs as the server wants them. `source` is who is to mend their faults.
 * @throws CliError which names every fault and the job that it is in
 */
export function parseJobs(drafts: readonly JobDraft[], source: Source): SubmitJobInput[] {
  const faults: string[] = [];
  const jobs = drafts.flatMap((draft, index): SubmitJobInput[] => {
    const parsed = job.safeParse(draft);
    if (parsed.success) return [definedOnly(parsed.data)];
    const which = drafts.length === 1 ? '' : `job ${index + 1}: `;
    faults.push(...parsed.error.issues.flatMap((issue) => faultsIn(issue, source)).map((fault) => `${which}${fault}`));
    return [];
  });
  if (faults.length === 0) return jobs;
  const shown = faults.slice(0, MAX_FAULTS_SHOWN);
  const rest = faults.length - shown.length;
  throw usage([...shown, ...(rest > 0 ? [`… and ${rest} more`] : [])].join('\n'));
}

const MAX_FAULTS_SHOWN = 20;

/** An unknown field is a fault of its own place, not of the object around it. */
function faultsIn(issue: z.core.$ZodIssue, source: Source): string[] {
  if (issue.code !== 'unrecognized_keys') return [`${placeOf(issue.path, source)}${issue.message}`];
  return issue.keys.map(
    (key) => `${placeOf([...issue.path, key], source)}unknown field, remove it or check its spelling`,
  );
}

function definedOnly(parsed: z.output<typeof job>): SubmitJobInput {
  const given = Object.entries(parsed).filter(([, value]) => value !== undefined);
  // Only members that are undefined are gone.
  return Object.fromEntries(given) as unknown as SubmitJobInput;
}
