import { z } from 'zod';

const variables = z
  .object({
    KELPIE_HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
    KELPIE_PORT: z.coerce
      .number()
      .int()
      .min(0)
      .max(65_535)
      .default(4000)
      .describe('Port to listen on; 0 takes a free one'),
    DATABASE_URL: z
      .url({ protocol: /^postgres(ql)?$/, error: 'expected postgres://user:password@host:port/database' })
      .optional()
      .describe('A PostgreSQL; without it, an embedded one in KELPIE_DATA_DIR'),
    KELPIE_DATABASE_CONNECTIONS: z.coerce.number().int().min(2).max(1_000).default(10).describe('Size of the pool'),
    KELPIE_DATA_DIR: z
      .string()
      .min(1)
      .default('.kelpie')
      .describe('Where the embedded PostgreSQL and the master key live'),
    KELPIE_MASTER_KEY: z
      .string()
      .min(16, { error: 'expected at least 16 random characters' })
      .optional()
      .describe('Encrypts keys that webhooks carry; the same on every server'),
    KELPIE_ADMIN_KEY: z
      .string()
      .min(16, { error: 'expected at least 16 random characters' })
      .optional()
      .describe('The API key of the account that sees every job'),
    KELPIE_RECONNECT_GRACE: z.coerce
      .number()
      .min(1)
      .max(3_600)
      .default(5)
      .describe('Seconds that an agent whose connection is gone has to come back'),
    KELPIE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  })
  .refine((env) => env.DATABASE_URL === undefined || env.KELPIE_MASTER_KEY !== undefined, {
    path: ['KELPIE_MASTER_KEY'],
    // Also when another variable is at fault: all faults are told at once.
    when: () => true,
    error: 'is needed with DATABASE_URL: all servers on one database must share it (try: openssl rand -base64 32)',
  });

export type Config = z.output<typeof variables>;

/**
 * The only reader of this program's environment. An empty variable counts as absent.
 * @throws Error that names every fault at once
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = variables.safeParse(given);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
  throw new Error(`The environment cannot be used:\n${faults.join('\n')}`);
}
