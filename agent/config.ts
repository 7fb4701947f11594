import { z } from 'zod';
import type { SyncSettings } from './sync/attempt-sync.ts';
import { DEFAULT_RETRIES } from './sync/retry.ts';
import type { LegacyDirectories } from './sync-plan.ts';

export interface AgentConfig {
  /** The websocket's address, `ws://` or `wss://`. */
  graphqlUrl: string;
  apiKey: string;
  machineId: string;
  containerGroupId: string;
  directories: LegacyDirectories;
  logLevel: z.infer<typeof logLevel>;
  /** Whether the next job begins while what the last one has left is uploaded. */
  overlapUploads: boolean;
  /** How long a command may take to end by itself after this agent was told to stop, and uploads to be done. */
  shutdownGraceMs: number;
  /** How long a command that is canceled or out of time has between SIGTERM and SIGKILL. */
  killGraceMs: number;
  /** How long the server waits for an agent whose connection is gone: the server's own setting, or less. */
  reconnectGraceMs: number;
  sync: SyncSettings;
  storage: { endpoint?: string; region?: string; maxUploadMbps?: number };
  workingDirectory: string;
  /** The container's environment, the ground on which each command's own is laid. */
  environment: Record<string, string>;
}

/** What the environment says cannot be used. The message names every fault, one a line. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

const FILES_AT_ONCE = 64;

const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);

const variables = z.object({
  KELPIE_API_URL: required('the address of the Kelpie server, such as https://kelpie.example').pipe(serverAddress()),
  KELPIE_API_KEY: required('an API key'),
  SALAD_MACHINE_ID: required('the id of this machine'),
  SALAD_CONTAINER_GROUP_ID: required('the id of the container group whose jobs are wanted'),
  INPUT_DIR: z.string().default('/input'),
  CHECKPOINT_DIR: z.string().default('/checkpoint'),
  OUTPUT_DIR: z.string().default('/output'),
  KELPIE_LOG_LEVEL: logLevel.default('info'),
  KELPIE_OVERLAP_UPLOADS: flag({ otherwise: true }),
  KELPIE_SHUTDOWN_GRACE_S: number({ min: 0, integer: false, otherwise: 20 }),
  KELPIE_KILL_GRACE_S: number({ min: 0, integer: false, otherwise: 10 }),
  KELPIE_RECONNECT_GRACE: number({ min: 1, integer: false, otherwise: 5 }),
  MAX_RETRIES: number({ min: 0, integer: true, otherwise: DEFAULT_RETRIES }),
  KELPIE_MAX_UPLOAD_MBPS: rate(),
  FILE_WATCHER_DEBOUNCE_MS: number({ min: 0, integer: true, otherwise: 100 }),
  FILE_WATCHER_STABILITY_CHECK_MS: number({ min: 0, integer: true, otherwise: 50 }),
  FILE_WATCHER_MAX_WAIT_MS: number({ min: 1, integer: true, otherwise: 5000 }),
  AWS_ENDPOINT_URL: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).optional(),
  AWS_ENDPOINT_URL_S3: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }).optional(),
  AWS_REGION: z.string().optional(),
  AWS_DEFAULT_REGION: z.string().optional(),
});

/**
 * Reads the agent's whole configuration. A variable that is set to nothing counts as not set.
 * Throws ConfigError, which names every fault at once.
 */
export function loadConfig(
  environment: Record<string, string | undefined> = process.env,
  workingDirectory: string = process.cwd(),
): AgentConfig {
  const given = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const meant = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(meant);
  if (!parsed.success) throw new ConfigError(describeFaults(parsed.error, meant));
  return assemble(parsed.data, given, workingDirectory);
}

function assemble(
  read: z.infer<typeof variables>,
  environment: Record<string, string>,
  workingDirectory: string,
): AgentConfig {
  const endpoint = read.AWS_ENDPOINT_URL_S3 ?? read.AWS_ENDPOINT_URL;
  const region = read.AWS_REGION ?? read.AWS_DEFAULT_REGION;
  return {
    graphqlUrl: read.KELPIE_API_URL,
    apiKey: read.KELPIE_API_KEY,
    machineId: read.SALAD_MACHINE_ID,
    containerGroupId: read.SALAD_CONTAINER_GROUP_ID,
    directories: { input: read.INPUT_DIR, checkpoint: read.CHECKPOINT_DIR, output: read.OUTPUT_DIR },
    logLevel: read.KELPIE_LOG_LEVEL,
    overlapUploads: read.KELPIE_OVERLAP_UPLOADS,
    shutdownGraceMs: read.KELPIE_SHUTDOWN_GRACE_S * 1000,
    killGraceMs: read.KELPIE_KILL_GRACE_S * 1000,
    reconnectGraceMs: read.KELPIE_RECONNECT_GRACE * 1000,
    sync: {
      debounceMs: read.FILE_WATCHER_DEBOUNCE_MS,
      stabilityCheckMs: read.FILE_WATCHER_STABILITY_CHECK_MS,
      maxWaitMs: read.FILE_WATCHER_MAX_WAIT_MS,
      maxRetries: read.MAX_RETRIES,
      concurrency: FILES_AT_ONCE,
    },
    storage: {
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(read.KELPIE_MAX_UPLOAD_MBPS === undefined ? {} : { maxUploadMbps: read.KELPIE_MAX_UPLOAD_MBPS }),
    },
    workingDirectory,
    environment,
  };
}

/** The values are left out of the message: one of them is the key, and any may be pasted into the wrong variable. */
function describeFaults(error: z.ZodError, meant: Record<string, string>): string {
  return error.issues
    .map((issue) => {
      const name = String(issue.path[0]);
      return name in meant ? `${name}: ${issue.message}` : `${name} is not set: ${issue.message}`;
    })
    .join('\n');
}

function required(meaning: string) {
  return z
    .string({ error: `expected ${meaning}` })
    .trim()
    .min(1, `expected ${meaning}`);
}

function number(rule: { min: number; integer: boolean; otherwise: number }) {
  const expected = `expected ${rule.integer ? 'a whole number' : 'a number'} of at least ${rule.min}`;
  const shape = rule.integer ? z.int({ error: expected }) : z.number({ error: expected });
  return z
    .string()
    .transform((text) => (text.trim() === '' ? Number.NaN : Number(text)))
    .pipe(shape.min(rule.min, expected))
    .default(rule.otherwise);
}

function flag(rule: { otherwise: boolean }) {
  return z.stringbool({ error: 'expected true or false' }).default(rule.otherwise);
}

/** Megabits a second. Below the least, no part would arrive before the store had lost its patience. */
function rate() {
  const least = 0.1;
  const expected = `expected a number of megabits a second of at least ${least}`;
  const shape = z.coerce.number({ error: expected }).min(least, expected);
  return shape.optional();
}

/** From the server's address, with or without scheme, to its websocket. */
function serverAddress() {
  const expected = 'expected a host or an http or https URL, such as kelpie.example or http://localhost:3000';
  return z.string().transform((text, context) => {
    const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
    if (url === null || !['http:', 'https:'].includes(url.protocol)) {
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    }
    const path = url.pathname.replace(/\/+$/, '');
    return `${url.protocol === 'https:' ? 'wss:' : 'ws:'}//${url.host}${path}/graphql`;
  });
}
