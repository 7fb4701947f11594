import { z } from 'zod';

/** No key or secret of Kelpie's has fewer characters: what is shorter is no secret that was pasted into the wrong place. */
const SHORTEST_SECRET = 16;

/** A fault of what was given, as zod takes it: what was expected, and what came. */
export function expected(what: string): (issue: z.core.$ZodRawIssue) => string {
  return ({ input }) => `expected ${what}, got ${cameOf(input)}`;
}

/** What came: in quotes where it is short, else of what kind it is. */
export function cameOf(input: unknown): string {
  if (typeof input === 'string' && input.length < SHORTEST_SECRET) return JSON.stringify(input);
  if (typeof input === 'string') return `a text of ${input.length} characters`;
  if (typeof input === 'number' || typeof input === 'boolean') return String(input);
  if (input === undefined || input === null) return 'nothing';
  return Array.isArray(input) ? 'a list' : 'an object';
}

/** A constant of the API, as it is typed: in small letters, or as the API and its documents have it. */
export function constantOf<const Names extends readonly string[]>(names: Names) {
  return z
    .string()
    .toLowerCase()
    .pipe(z.enum(names, { error: expected(`one of ${names.join(', ')}`) }))
    .transform((name) => name.toUpperCase() as Uppercase<Names[number]>);
}

/** Who has given the jobs: the command line, or a file, which has the schema's names. */
export type Source = 'FLAGS' | 'FILE';

/** Where a fault is, in the words of who has given it, with a colon behind. */
export function placeOf(path: readonly PropertyKey[], source: Source): string {
  if (path.length === 0) return '';
  return `${source === 'FLAGS' ? flagOf(path.map(String)) : path.map(String).join('.')}: `;
}

/** The flags of the schema's fields, where there is one. */
const FLAGS: Readonly<Record<string, string>> = {
  ...{ containerGroupId: '--group', name: '--name', environment: '--env', labels: '--label', priority: '--priority' },
  ...{ maxFailures: '--max-failures', maxInterruptions: '--max-interruptions', timeoutSeconds: '--timeout-seconds' },
  ...{ webhook: '--webhook', idempotencyKey: '--idempotency-key' },
  ...{ minReplicas: '--min', maxReplicas: '--max', idleThresholdSeconds: '--idle' },
};

function flagOf([field = '', ...inner]: readonly string[]): string {
  if (field === 'sync') return `--${inner.join(' ')}`;
  return [FLAGS[field] ?? field, ...inner].join(' ');
}
