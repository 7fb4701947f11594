import { z } from 'zod';
import { usage } from '../exits.ts';
import type { SubmitJobInput } from '../generated/graphql.ts';

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
  { error: 'expected a whole number' },
);
const texts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String), {
  error: 'expected names and texts',
});
const yesOrNo = z.union([z.boolean(), z.stringbool()], { error: 'expected true or false' });
const text = z.union([z.string(), z.number().transform(String)], { error: 'expected a text' });

/** The direction is clear from where an entry stands. */
function entries(direction: 'DOWNLOAD' | 'UPLOAD') {
  const entry = z.strictObject({
    bucket: text,
    prefix: text.default(''),
    localPath: text,
    pattern: text.optional(),
    patternSyntax: z.enum(['GLOB', 'REGEX']).optional(),
    direction: z.literal(direction).default(direction),
  });
  return z.array(entry).default([]);
}

/** The fields of the schema's SubmitJobInput, under the same names. What they may be, the server says. */
const job = z.strictObject({
  command: text,
  containerGroupId: text,
  arguments: z.array(text).optional(),
  environment: texts.optional(),
  name: text.optional(),
  labels: texts.optional(),
  priority: whole.optional(),
  compression: yesOrNo.optional(),
  webhook: text.optional(),
  sync: z.strictObject({ before: entries('DOWNLOAD'), during: entries('UPLOAD'), after: entries('UPLOAD') }).optional(),
  maxFailures: whole.optional(),
  maxInterruptions: whole.optional(),
  timeoutSeconds: whole.optional(),
  stallTimeoutSeconds: whole.optional(),
  heartbeatInterval: whole.optional(),
  idempotencyKey: text.optional(),
} satisfies Partial<Record<keyof SubmitJobInput, z.ZodType>>);

/**
 * The jobs as the server wants them.
 * @throws CliError which names every fault and the job that it is in
 */
export function parseJobs(drafts: readonly JobDraft[]): SubmitJobInput[] {
  const faults: string[] = [];
  const jobs = drafts.flatMap((draft, index): SubmitJobInput[] => {
    const parsed = job.safeParse(draft);
    if (parsed.success) return [definedOnly(parsed.data)];
    const which = drafts.length === 1 ? '' : `job ${index + 1}: `;
    faults.push(...parsed.error.issues.map((issue) => `${which}${placeOf(issue.path)}${issue.message}`));
    return [];
  });
  if (faults.length === 0) return jobs;
  const shown = faults.slice(0, MAX_FAULTS_SHOWN);
  const rest = faults.length - shown.length;
  throw usage([...shown, ...(rest > 0 ? [`… and ${rest} more`] : [])].join('\n'));
}

const MAX_FAULTS_SHOWN = 20;

function placeOf(path: readonly PropertyKey[]): string {
  return path.length === 0 ? '' : `${path.map(String).join('.')}: `;
}

function definedOnly(parsed: z.output<typeof job>): SubmitJobInput {
  const given = Object.entries(parsed).filter(([, value]) => value !== undefined);
  // Only members that are undefined are gone.
  return Object.fromEntries(given) as unknown as SubmitJobInput;
}
