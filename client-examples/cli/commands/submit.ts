import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { z } from 'zod';
import { refused, type Connection, type Refusal } from '../connection.ts';
import { commandOf, type Context } from '../context.ts';
import { usage } from '../exits.ts';
import { SubmitJobsDocument, type JobRowFragment, type SubmitJobInput } from '../generated/graphql.ts';
import { expected, placeOf, type Source } from '../spec/faults.ts';
import { readJobFile, readText } from '../spec/file.ts';
import { addJobFlags, draftOf, jobFlags, withFlags } from '../spec/flags.ts';
import { parseJobs, type JobDraft } from '../spec/job.ts';
import { demandFilled, expandSweep, readRows } from '../spec/sweep.ts';
import { demandFew, watchJobs } from '../watch/run.ts';

const options = jobFlags.extend({
  file: z.string().optional(),
  csv: z.string().optional(),
  literal: z.boolean().default(false),
  idempotencyKey: z
    .string()
    .min(1, { error: expected('a key') })
    .optional(),
  dryRun: z.boolean().default(false),
  watch: z.boolean().default(false),
  json: z.boolean().default(false),
});
type Options = z.infer<typeof options>;

/** What the server takes at once, all or none. */
const BATCH = 1_000;
const MAX_JOBS = 10_000;

export function submitCommand(context: Context): Command {
  return addJobFlags(commandOf('submit', 'submit a job, the jobs of a file, or a job for each row of a table'))
    .argument('[command...]', 'behind "--": the command and its arguments')
    .option(
      '-f, --file <path>',
      'a job or a list of jobs, YAML or JSON; "-" for standard input. Flags replace its fields',
    )
    .option('--csv <path>', 'a job for each row: {{column}} in the file or the flags stands for the row’s value')
    .option('--literal', 'without a table: {{…}} stands for itself')
    .option('--idempotency-key <key>', 'submitted again with the same key and the same jobs, nothing is added')
    .option('--dry-run', 'say what would be submitted, and ask nobody')
    .option('--watch', 'follow the jobs until all have ended; the exit code says how, as of watch --until-done')
    .action(async (words: unknown, given: unknown) =>
      submit(context, z.array(z.string()).parse(words), options.parse(given)),
    );
}

async function submit(context: Context, words: string[], given: Options): Promise<void> {
  const source = given.file === undefined ? 'FLAGS' : 'FILE';
  const jobs = parseJobs(await draftsOf(context, words, given), source);
  if (jobs.length > MAX_JOBS)
    throw usage(`Expected at most ${MAX_JOBS} jobs at once, got ${jobs.length}: cut the table`);
  if (given.dryRun) {
    for (const job of jobs) context.tell(given.json, job, () => describe(job));
    context.note(`${jobs.length === 1 ? 'This job' : `These ${jobs.length} jobs`} would be submitted.`);
    return;
  }
  // Before anything is submitted.
  if (given.watch) demandFew(jobs.length);
  const connection = await context.connect();
  const ids: string[] = [];
  for (const job of await submitAll(connection, jobs, source, given.idempotencyKey)) {
    ids.push(job.id);
    if (!given.watch) context.tell(given.json, job, () => job.id);
  }
  if (given.watch) await watchJobs(context, connection, { ids, untilDone: true, json: given.json });
}

async function draftsOf({ world }: Context, words: string[], given: Options): Promise<JobDraft[]> {
  const flags = draftOf(given, words);
  if (given.file === undefined && words.length === 0) {
    throw usage(
      'Expected a command behind "--", or a job by --file. For example: kelpie-cli submit --group local -- python train.py',
    );
  }
  if (given.literal && given.csv !== undefined) {
    throw usage('Expected --csv or --literal, got both: a table is there to fill {{…}} in');
  }
  if (given.file === '-' && given.csv === '-') throw usage('--file and --csv: only one can be standard input');
  const drafts = given.file === undefined ? [{}] : await readJobFile(given.file, world);
  const merged = drafts.map((draft) => withFlags(draft, flags));
  if (given.csv === undefined) {
    if (!given.literal) demandFilled(merged);
    return merged;
  }
  const [template] = merged;
  if (template === undefined || merged.length > 1)
    throw usage(`--csv: expected one template, got ${merged.length} jobs in ${given.file ?? ''}`);
  return expandSweep(template, readRows(await readText(given.csv, world), given.csv));
}

/** Each job with a key of its own, so that a batch whose answer was lost can be sent again. */
async function submitAll(
  connection: Connection,
  jobs: readonly SubmitJobInput[],
  source: Source,
  key: string = randomUUID(),
): Promise<JobRowFragment[]> {
  const keyed = jobs.map((job, index) => ({ idempotencyKey: jobs.length === 1 ? key : `${key}/${index + 1}`, ...job }));
  const stored: JobRowFragment[] = [];
  for (let from = 0; from < keyed.length; from += BATCH) {
    const { submitJobs } = await connection.ask(SubmitJobsDocument, { input: keyed.slice(from, from + BATCH) });
    if (submitJobs.__typename === 'SubmittedJobs') stored.push(...submitJobs.jobs);
    else throw refused({ ...submitJobs, message: explain(submitJobs, { from, total: jobs.length, source }) });
  }
  return stored;
}

interface Submission {
  /** How many jobs were stored before these. */
  from: number;
  total: number;
  source: Source;
}

function explain({ message, issues = [] }: Refusal, { from, total, source }: Submission): string {
  const faults = issues.map(({ path: [, index, ...field], message: fault }) => {
    const which = total === 1 ? '' : `job ${from + Number(index) + 1}: `;
    return `${which}${placeOf(field, source)}${fault}`;
  });
  const before =
    from > 0
      ? [`Of ${total} jobs, the first ${from} were submitted; the same --idempotency-key adds only the rest.`]
      : [];
  return [faults.length > 0 ? faults.join('\n') : message, ...before].join('\n');
}

/** As a person would write it. */
function describe(job: SubmitJobInput): string {
  const { command, arguments: words, containerGroupId, ...rest } = job;
  const { sync, name, ...more } = rest;
  const carried = (['before', 'during', 'after'] as const).flatMap((when) =>
    (sync?.[when] ?? []).map(
      (one) =>
        `  ${when.padEnd(6)} ${one.localPath} ${when === 'before' ? '←' : '→'} s3://${one.bucket}/${one.prefix}${one.pattern == null ? '' : ` (${one.pattern})`}`,
    ),
  );
  const others = Object.entries(more).map(
    ([field, value]) => `  ${field}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  return [
    `${name ?? '(no name)'} in ${containerGroupId}: ${[command, ...(words ?? [])].map(quoted).join(' ')}`,
    ...carried,
    ...others,
  ].join('\n');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
