import type { Command } from 'commander';
import { z } from 'zod';
import { usage } from '../exits.ts';
import type { JobDraft } from './job.ts';

/** The flags that a job can be made of, or that add to one from a file. */
export function addJobFlags(command: Command): Command {
  return command
    .option('-g, --group <id>', 'container group whose machines may run it')
    .option('-n, --name <name>', 'what you call it')
    .option('-e, --env <NAME=value>', 'a variable of its environment (again for more)', collect, [])
    .option('-l, --label <name=value>', 'a label to find it by (again for more)', collect, [])
    .option('--priority <number>', '-100 to 100, higher first')
    .option(
      '--before <path=s3://bucket/prefix>',
      'download this before the command starts (again for more)',
      collect,
      [],
    )
    .option('--during <path=s3://bucket/prefix>', 'upload this while it runs (again for more)', collect, [])
    .option('--after <path=s3://bucket/prefix>', 'upload this when it has succeeded (again for more)', collect, [])
    .option('--max-failures <number>', 'failures of the command that make the job fail')
    .option('--max-interruptions <number>', 'lost machines that make the job fail')
    .option('--timeout-seconds <number>', 'how long one attempt may take')
    .option('--webhook <url>', 'where its outcome is told');
}

export const jobFlags = z.object({
  group: z.string().optional(),
  name: z.string().optional(),
  env: z.array(z.string()),
  label: z.array(z.string()),
  priority: z.string().optional(),
  before: z.array(z.string()),
  during: z.array(z.string()),
  after: z.array(z.string()),
  maxFailures: z.string().optional(),
  maxInterruptions: z.string().optional(),
  timeoutSeconds: z.string().optional(),
  webhook: z.string().optional(),
});
export type JobFlags = z.infer<typeof jobFlags>;

/** `words` are the command and its arguments, as they stand behind `--`. Only what was given is in the draft. */
export function draftOf(flags: JobFlags, words: readonly string[]): JobDraft {
  const [command, ...rest] = words;
  const sync = syncOf(flags);
  const { group, env, label, name, priority, maxFailures, maxInterruptions, timeoutSeconds, webhook } = flags;
  const draft: JobDraft = {
    ...{ command, containerGroupId: group, name, priority, maxFailures, maxInterruptions, timeoutSeconds, webhook },
    ...(command !== undefined && { arguments: rest }),
    ...(env.length > 0 && { environment: pairsOf(env, '--env') }),
    ...(label.length > 0 && { labels: pairsOf(label, '--label') }),
    ...(sync !== undefined && { sync }),
  };
  return Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined));
}

/** What the flags say replaces what the file says; labels and variables are added to the file's. */
export function withFlags(draft: JobDraft, flags: JobDraft): JobDraft {
  const merged: JobDraft = { ...draft, ...flags };
  for (const name of ['labels', 'environment']) {
    const [own, added] = [draft[name], flags[name]];
    if (isRecord(own) && isRecord(added)) merged[name] = { ...own, ...added };
  }
  return merged;
}

/** `name=value` words as a record. */
export function pairsOf(words: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const equals = word.indexOf('=');
      if (equals < 1) throw usage(`${flag}: expected name=value, got "${word}"`);
      return [word.slice(0, equals), word.slice(equals + 1)];
    }),
  );
}

/** Commander's way of taking an option more than once. */
export function collect(word: string, before: readonly string[]): string[] {
  return [...before, word];
}

function syncOf({ before, during, after }: JobFlags) {
  if (before.length + during.length + after.length === 0) return undefined;
  const entries = (words: readonly string[], flag: string) => words.map((word) => entryOf(word, flag));
  return { before: entries(before, '--before'), during: entries(during, '--during'), after: entries(after, '--after') };
}

function entryOf(word: string, flag: string) {
  const {
    localPath,
    bucket,
    prefix = '',
  } = /^(?<localPath>.+?)=s3:\/\/(?<bucket>[^/]+)(?:\/(?<prefix>.*))?$/.exec(word)?.groups ?? {};
  if (localPath === undefined || bucket === undefined) {
    throw usage(
      `${flag}: expected path=s3://bucket/prefix, got "${word}". Patterns can be given in a file: see --file`,
    );
  }
  return { localPath, bucket, prefix };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
