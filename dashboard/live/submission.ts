import type { JobSpecFragment, PatternSyntax, SubmitJobInput, SyncEntryInput } from '../generated/graphql.ts';

/** A submission as a form has it: texts, of which an empty one stands for the server's default. */
export interface Draft {
  name: string;
  command: string;
  /** One a line. */
  arguments: string;
  /** `NAME=value`, one a line. */
  environment: string;
  containerGroupId: string;
  priority: string;
  /** `name=value`, one a line. */
  labels: string;
  maxFailures: string;
  maxInterruptions: string;
  heartbeatInterval: string;
  timeoutSeconds: string;
  stallTimeoutSeconds: string;
  webhook: string;
  compression: boolean;
  sync: DraftEntry[];
  /** Of a job that was submitted in the older form; a form has no fields for it. */
  legacySync: JobSpecFragment['legacySync'];
}

export interface DraftEntry {
  when: 'before' | 'during' | 'after';
  bucket: string;
  prefix: string;
  localPath: string;
  pattern: string;
  patternSyntax: PatternSyntax | null;
}

export const EMPTY_DRAFT: Draft = {
  ...{ name: '', command: '', arguments: '', environment: '', containerGroupId: '', priority: '', labels: '' },
  ...{ maxFailures: '', maxInterruptions: '', heartbeatInterval: '', timeoutSeconds: '', stallTimeoutSeconds: '' },
  ...{ webhook: '', compression: false, sync: [], legacySync: null },
};

/** A job again as it was submitted. Only an argument or a value with a line break in it cannot be told by lines. */
export function draftOf(job: JobSpecFragment): Draft {
  const text = (value: string | number | null): string => (value === null ? '' : String(value));
  const entries = (['before', 'during', 'after'] as const).flatMap((when) =>
    (job.sync?.[when] ?? []).map(({ bucket, prefix, localPath, pattern, patternSyntax }) => {
      return { when, bucket, prefix, localPath, pattern: pattern ?? '', patternSyntax };
    }),
  );
  return {
    name: text(job.name),
    command: job.command,
    arguments: job.arguments.join('\n'),
    environment: linesOf(job.environment),
    containerGroupId: job.containerGroupId,
    priority: text(job.priority),
    labels: linesOf(job.labels),
    maxFailures: text(job.maxFailures),
    maxInterruptions: text(job.maxInterruptions),
    heartbeatInterval: text(job.heartbeatInterval),
    timeoutSeconds: text(job.timeoutSeconds),
    stallTimeoutSeconds: text(job.stallTimeoutSeconds),
    webhook: text(job.webhook),
    compression: job.compression,
    sync: entries,
    legacySync: job.legacySync,
  };
}

/** Whether a job can be told by the form without loss. */
export function fitsDraft(job: JobSpecFragment): boolean {
  const texts = [...job.arguments, ...Object.values(job.environment), ...Object.values(job.labels)];
  const hasBreak = texts.some((text) => typeof text === 'string' && text.includes('\n'));
  return !hasBreak && !job.arguments.includes('');
}

/** What is sent; what is wrong with it, the server says. */
export function inputOf(draft: Draft): SubmitJobInput {
  const optional = (text: string): string | null => (text.trim() === '' ? null : text.trim());
  const number = (text: string): number | null => (text.trim() === '' ? null : Number(text));
  return {
    name: optional(draft.name),
    command: draft.command.trim(),
    arguments: draft.arguments.split('\n').filter((line) => line !== ''),
    environment: entriesOf(draft.environment),
    containerGroupId: draft.containerGroupId.trim(),
    priority: number(draft.priority),
    labels: entriesOf(draft.labels),
    maxFailures: number(draft.maxFailures),
    maxInterruptions: number(draft.maxInterruptions),
    heartbeatInterval: number(draft.heartbeatInterval),
    timeoutSeconds: number(draft.timeoutSeconds),
    stallTimeoutSeconds: number(draft.stallTimeoutSeconds),
    webhook: optional(draft.webhook),
    compression: draft.compression,
    ...(draft.sync.length > 0 && {
      sync: { before: syncOf(draft, 'before'), during: syncOf(draft, 'during'), after: syncOf(draft, 'after') },
    }),
    ...(draft.legacySync !== null && { legacySync: draft.legacySync }),
  };
}

function syncOf({ sync }: Draft, wanted: DraftEntry['when']): SyncEntryInput[] {
  return sync
    .filter(({ when }) => when === wanted)
    .map(({ bucket, prefix, localPath, pattern, patternSyntax }) => ({
      ...{ bucket: bucket.trim(), prefix: prefix.trim(), localPath: localPath.trim() },
      direction: wanted === 'before' ? 'DOWNLOAD' : 'UPLOAD',
      pattern: pattern === '' ? null : pattern,
      patternSyntax,
    }));
}

function linesOf(values: Record<string, unknown>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join('\n');
}

function entriesOf(lines: string): Record<string, string> {
  const given = lines.split('\n').filter((line) => line.trim() !== '');
  return Object.fromEntries(
    given.map((line) => {
      const [name = '', ...value] = line.split('=');
      return [name.trim(), value.join('=')];
    }),
  );
}
