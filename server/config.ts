import { z } from 'zod';
import { saladName } from '../core/accounts/names.ts';
import { type AllowedRange, parseRanges } from '../core/webhooks/guard.ts';
import { messageOf } from '../lib/errors.ts';
import { clause } from '../lib/faults.ts';
import { numberText } from '../lib/number-text.ts';
import { propagatorVariables, traceVariables } from '../lib/traces/settings.ts';
import { limitVariables } from './limits.ts';

/** Keys travel there: never in clear, except on this very machine. */
const saladUrl = z.string().refine(isSafeUrl, {
  error: 'expected an https URL (http on this machine only) without user, password, query and fragment',
});

function isSafeUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  const isHere = url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  const isBare = [url.username, url.password, url.search, url.hash].every((part) => part === '');
  return (url.protocol === 'https:' || isHere) && isBare;
}

const yesOrNo = z
  .enum(['true', 'false'], { error: 'expected true or false' })
  .default('true')
  .transform((text) => text === 'true');
const bound = (preset: number) => numberText({ whole: true, min: 0, max: 1_000_000 }).default(preset);

const days = (preset: number) => numberText({ whole: true, min: 0, max: 36_500 }).default(preset);

/** What the server reads; docs/configuration.md is printed from this. */
export const serverVariables = z
  .object({
    KELPIE_HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
    KELPIE_PORT: numberText({ whole: true, min: 0, max: 65_535 })
      .default(4000)
      .describe('Port to listen on; 0 takes a free one'),
    DATABASE_URL: z
      .url({ protocol: /^postgres(ql)?$/, error: 'expected postgres://user:password@host:port/database' })
      .optional()
      .describe('A PostgreSQL; without it, an embedded one in KELPIE_DATA_DIR'),
    KELPIE_DATABASE_DIRECT_URL: z
      .url({ protocol: /^postgres(ql)?$/, error: 'expected postgres://user:password@host:port/database' })
      .optional()
      .describe('The same database past the pooler of transactions that stands at DATABASE_URL, if one does'),
    KELPIE_DATABASE_CONNECTIONS: numberText({ whole: true, min: 2, max: 1_000 })
      .default(10)
      .describe('Size of the pool'),
    KELPIE_DATA_DIR: z
      .string()
      .min(1)
      .default('.kelpie')
      .describe('Where the embedded PostgreSQL and the master key live'),
    KELPIE_MASTER_KEY: z
      .string()
      .min(16, { error: 'expected at least 16 random characters (try: openssl rand -base64 32)' })
      .optional()
      .describe('Encrypts keys that webhooks carry; the same on every server'),
    KELPIE_MASTER_KEYS_OLD: z
      .string()
      .default('')
      .transform((text) =>
        text
          .split(',')
          .map((key) => key.trim())
          .filter((key) => key !== ''),
      )
      .describe('Further master keys that open what is sealed, comma-separated: while one takes over from another'),
    KELPIE_ADMIN_KEY: z
      .string()
      .min(16, { error: 'expected at least 16 random characters (try: openssl rand -base64 32)' })
      .optional()
      .describe('The API key of the account that sees every job'),
    KELPIE_RECONNECT_GRACE: numberText({ whole: false, min: 1, max: 3_600 })
      .default(5)
      .describe('Seconds that an agent whose connection is gone has to come back'),
    KELPIE_SALAD_API_URL: saladUrl
      .transform((url) => url.replace(/(?<!\/)\/+$/, ''))
      .optional()
      .describe('Salad’s public API; with it, keys of that API are taken'),
    KELPIE_SALAD_JWKS_URL: saladUrl
      .optional()
      .describe('Salad’s public keys; with it, tokens of its machines are taken'),
    KELPIE_SALAD_TOKEN_ISSUER: z.string().optional().describe('The `iss` that those tokens must have'),
    KELPIE_SALAD_TOKEN_AUDIENCE: z.string().optional().describe('The `aud` that those tokens must have'),
    KELPIE_RATE_PER_KEY: bound(200).describe(
      'Requests a second with one key, five seconds’ worth at once; 0: any number',
    ),
    KELPIE_REFUSALS_PER_ADDRESS: bound(20).describe('Refused keys a second from one address; 0: any number'),
    KELPIE_TRUSTED_PROXIES: numberText({ whole: true, min: 0, max: 10 })
      .default(0)
      .describe('How many proxies of yours stand before this server, each of which appends to X-Forwarded-For'),
    KELPIE_LOG_BYTES: numberText({ whole: true, min: 512 * 1024, max: 1024 * 1024 * 1024 })
      .default(1024 * 1024)
      .describe('Bytes kept of what one attempt’s command writes: half of its beginning, half of its end'),
    KELPIE_KEEP_JOBS_DAYS: days(90).describe('Days after which a job that has ended is removed; 0: never'),
    KELPIE_KEEP_EVENTS_DAYS: days(30).describe('The same for events of jobs that have ended or are gone'),
    KELPIE_KEEP_LOGS_DAYS: days(30).describe('The same for logs, from the end of their job'),
    KELPIE_KEEP_DELIVERIES_DAYS: days(30).describe('The same for webhooks that were delivered or given up'),
    KELPIE_WEBHOOK_ALLOW: z
      .string()
      .default('')
      .transform(ranges)
      .describe('Ranges such as 10.0.0.0/8 to which webhooks may go although they are not public'),
    KELPIE_AGENT_RETENTION_DAYS: numberText({ whole: false, min: 1, max: 36_500 })
      .default(7)
      .describe('Days after which an agent of which nothing is heard is forgotten'),
    KELPIE_INTROSPECTION: yesOrNo.describe('Whether the schema may be asked for over GraphQL'),
    KELPIE_GRAPHIQL: yesOrNo.describe('Whether /graphql is a page to try operations on, in a browser'),
    ...limitVariables,
    KELPIE_METRICS_PORT: numberText({ whole: true, min: 0, max: 65_535 })
      .optional()
      .describe('Port of /metrics for Prometheus, which tells of all accounts; without it there is none'),
    KELPIE_METRICS_HOST: z.string().default('127.0.0.1').describe('Address that this port listens on'),
    KELPIE_METRICS_TOKEN: z
      .string()
      .min(16, { error: 'expected at least 16 random characters (try: openssl rand -base64 32)' })
      .optional()
      .describe(
        'Wanted there as Authorization: Bearer; without it, who reaches the port by an address, a name without a dot or KELPIE_METRICS_HOST may read',
      ),
    ...traceVariables,
    ...propagatorVariables,
    KELPIE_PROVIDER: z
      .enum(['salad', 'kubernetes', 'none'])
      .default('none')
      .describe('Who has the machines of container groups that have scaling rules'),
    KELPIE_PROVIDER_API_KEY: z.string().min(1).optional().describe('The key for Salad’s public API to scale with'),
    KELPIE_PROVIDER_ORGANIZATION: saladName.optional().describe('Where groups are whose rule’s key names none'),
    KELPIE_PROVIDER_PROJECT: saladName.optional().describe('The project of that organization'),
    KELPIE_PROVIDER_NAMESPACE: z.string().default('default').describe('The namespace of the groups in Kubernetes'),
    KELPIE_LOG_LEVEL: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('What is logged: this and what is graver'),
  })
  .refine((env) => env.DATABASE_URL === undefined || env.KELPIE_MASTER_KEY !== undefined, {
    path: ['KELPIE_MASTER_KEY'],
    // Also when another variable is at fault: all faults are told at once.
    when: () => true,
    error: 'is needed with DATABASE_URL: all servers on one database must share it (try: openssl rand -base64 32)',
  })
  .refine(
    (env) =>
      env.KELPIE_MAX_BODY_BYTES <= env.KELPIE_MAX_ACCOUNT_BODIES_BYTES &&
      env.KELPIE_MAX_ACCOUNT_BODIES_BYTES <= env.KELPIE_MAX_BODIES_BYTES,
    {
      path: ['KELPIE_MAX_ACCOUNT_BODIES_BYTES'],
      error:
        'must be KELPIE_MAX_BODY_BYTES at least, and KELPIE_MAX_BODIES_BYTES at most, or the largest bodies never pass',
    },
  )
  .refine((env) => env.KELPIE_DATABASE_DIRECT_URL === undefined || env.DATABASE_URL !== undefined, {
    path: ['KELPIE_DATABASE_DIRECT_URL'],
    when: () => true,
    error: 'is of no use without DATABASE_URL, the address of the pooler',
  })
  .refine(
    (env) =>
      env.KELPIE_PROVIDER !== 'salad' ||
      (env.KELPIE_PROVIDER_API_KEY !== undefined && env.KELPIE_SALAD_API_URL !== undefined),
    {
      path: ['KELPIE_PROVIDER'],
      when: () => true,
      error: 'salad needs KELPIE_PROVIDER_API_KEY and KELPIE_SALAD_API_URL',
    },
  );

function ranges(text: string, context: z.RefinementCtx): AllowedRange[] {
  try {
    return parseRanges(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) });
    return z.NEVER;
  }
}

export type Config = z.output<typeof serverVariables>;

/**
 * The only reader of this program's environment. An empty variable counts as absent.
 * @throws Error that names every fault at once
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = serverVariables.safeParse(given);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${clause(issue.message)}`);
  throw new Error(`The environment cannot be used:\n${faults.join('\n')}`);
}
