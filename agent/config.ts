import { resolve } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../lib/errors.ts';
import { clause } from '../lib/faults.ts';
import { numberText } from '../lib/number-text.ts';
import { type TraceConfig, traceConfig, traceVariables } from '../lib/traces/settings.ts';
import { apiKey, flag, metadataAddress, NONE, rate, required, saladProject, serverAddress } from './config-fields.ts';
import { proxiesIn, useProxies } from './proxies.ts';
import type { SyncSettings } from './sync/attempt-sync.ts';
import { DEFAULT_RETRIES } from './sync/retry.ts';
import type { LegacyDirectories } from './sync-plan.ts';

export interface AgentConfig {
  /** The websocket's address, `ws://` or `wss://`. */
  graphqlUrl: string;
  /** A key of the server's own, or the project of Salad's whose machines' tokens it takes. */
  credentials: { apiKey: string } | { saladProject: string };
  machineId: string;
  containerGroupId: string;
  directories: LegacyDirectories;
  logLevel: z.infer<typeof logLevel>;
  /** Whether the next job begins while what the last one has left is uploaded. */
  overlapUploads: boolean;
  /** Where Salad's instance metadata service would be; absent where it is not to be asked. */
  metadataUrl?: string;
  /** After so many jobs in a row that failed here the machine is of no use; 0: never. */
  maxJobFailures: number;
  /** How long this agent waits for work before it ends; 0: for ever. */
  maxIdleMs: number;
  /** Whether each job gets a container of its own: the agent ends after one. */
  recreateBetweenJobs: boolean;
  /** Where others may read what this agent does, as an absolute path; absent where only its commands are to know. */
  stateFile?: string;
  /** How long a command may take to end by itself after this agent was told to stop. */
  shutdownGraceMs: number;
  /** How long uploads may take, once the command has ended, after this agent was told to stop by a signal. */
  uploadGraceMs: number;
  /** How long a command that is canceled or out of time has between SIGTERM and SIGKILL. */
  killGraceMs: number;
  /** How long something of a command may run on after SIGKILL, until this agent gives it up, and this machine with it. */
  killWaitMs: number;
  /** How long the server waits for an agent whose connection is gone: the server's own setting, or less. */
  reconnectGraceMs: number;
  sync: SyncSettings;
  storage: { endpoint?: string; region?: string; maxUploadMbps?: number };
  traces: TraceConfig;
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

/** What the agent reads; docs/configuration.md is printed from this. */
export const agentVariables = z.object({
  KELPIE_API_URL: required('the address of the Kelpie server, such as https://kelpie.example')
    .pipe(serverAddress())
    .describe('The server’s address; https where no scheme stands'),
  KELPIE_API_KEY: apiKey().describe('A key of the server’s; it needs no more than the role AGENT'),
  KELPIE_SALAD_PROJECT: saladProject().describe(
    'Without a key: Salad’s project, whose machines’ tokens the agent then shows',
  ),
  SALAD_PROJECT_NAME: saladProject().describe('The same, under the other name that it has on Salad'),
  SALAD_METADATA_URL: metadataAddress().describe(
    'Salad’s instance metadata service; none where it is not to be looked for',
  ),
  SALAD_MACHINE_ID: required('the id of this machine').describe('Who this machine is; set on Salad'),
  SALAD_CONTAINER_GROUP_ID: required('the id of the container group whose jobs are wanted').describe(
    'Whose jobs it wants; set on Salad',
  ),
  INPUT_DIR: z.string().default('/input').describe('Where input_bucket of the older form is downloaded to'),
  CHECKPOINT_DIR: z.string().default('/checkpoint').describe('Where checkpoint_bucket of the older form is kept'),
  OUTPUT_DIR: z.string().default('/output').describe('Where output_bucket of the older form is uploaded from'),
  KELPIE_LOG_LEVEL: logLevel.default('info').describe('Of the agent’s own lines, which go to stderr'),
  KELPIE_OVERLAP_UPLOADS: flag({ otherwise: true }).describe(
    'Whether the next job begins while the files of the last one are uploaded',
  ),
  MAX_JOB_FAILURES: numberText({ whole: true, min: 0 })
    .default(5)
    .describe('Jobs in a row that fail here until another machine is asked for; 0 for any number'),
  MAX_TIME_WITH_NO_WORK_S: numberText({ whole: false, min: 0 })
    .default(0)
    .describe('Seconds without work after which the agent ends, with code 0; 0 for never'),
  KELPIE_RECREATE_BETWEEN_JOBS: flag({ otherwise: false }).describe('Whether each job gets a fresh container'),
  KELPIE_STATE_FILE: z
    .string()
    .optional()
    .describe('Where the agent writes what it does, as JSON; in a temporary folder of its own where this is not set'),
  KELPIE_SHUTDOWN_GRACE_S: numberText({ whole: false, min: 0 })
    .default(20)
    .describe('Seconds after the agent’s SIGTERM for a command to end'),
  KELPIE_UPLOAD_GRACE_S: numberText({ whole: false, min: 0 })
    .optional()
    .describe('Seconds after that for uploads; that of KELPIE_SHUTDOWN_GRACE_S where this is not set'),
  KELPIE_KILL_GRACE_S: numberText({ whole: false, min: 0 })
    .default(10)
    .describe('Seconds between SIGTERM and SIGKILL of a canceled or overdue command'),
  KELPIE_KILL_WAIT_S: numberText({ whole: false, min: 1 })
    .default(30)
    .describe('Seconds after SIGKILL after which a process that is still there is given up, and its machine with it'),
  KELPIE_DISK_WAIT_S: numberText({ whole: false, min: 1 })
    .default(60)
    .describe(
      'Seconds for which a disk may answer nothing before and after a command until it is given up, and its machine with it; five times as long while data is looked for, brought or published',
    ),
  KELPIE_RECONNECT_GRACE: numberText({ whole: false, min: 1 })
    .default(5)
    .describe('The server’s reconnect grace, in seconds; at most what the server has'),
  MAX_RETRIES: numberText({ whole: true, min: 0 })
    .default(DEFAULT_RETRIES)
    .describe('Tries of a storage request after the first; the default outlasts an outage of a minute'),
  KELPIE_MAX_UPLOAD_MBPS: rate().describe(
    'What all uploads of this agent together may take, in megabits (10^6 bits) a second; no limit where this is not set',
  ),
  FILE_WATCHER_DEBOUNCE_MS: numberText({ whole: true, min: 0 })
    .default(100)
    .describe('Milliseconds for which a file must rest before it is looked at'),
  FILE_WATCHER_STABILITY_CHECK_MS: numberText({ whole: true, min: 0 })
    .default(50)
    .describe('Milliseconds between two looks at a file that must not have changed'),
  FILE_WATCHER_MAX_WAIT_MS: numberText({ whole: true, min: 1 })
    .default(5000)
    .describe('Milliseconds for which a change may stay unpublished while its file goes on changing'),
  AWS_ENDPOINT_URL: z
    .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
    .optional()
    .describe('The object store, where it is not that of AWS; other AWS_ variables and profiles are those of its SDK'),
  AWS_ENDPOINT_URL_S3: z
    .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
    .optional()
    .describe('The same, and before it'),
  AWS_REGION: z.string().optional().describe('The region of the store'),
  AWS_DEFAULT_REGION: z.string().optional().describe('The same, and after it'),
  ...traceVariables,
});

/**
 * Reads the agent's whole configuration. A variable that is set to nothing counts as not set.
 * Throws ConfigError, which names every fault at once.
 */
export function loadConfig(
  environment: Record<string, string | undefined> = process.env,
  workingDirectory: string = presentDirectory(),
): AgentConfig {
  const given = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const meant = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
  const parsed = agentVariables.safeParse(meant);
  const credentials = credentialsIn(meant);
  const faults = [
    ...(credentials === undefined ? [NO_CREDENTIALS] : []),
    ...(parsed.success ? [] : faultsOf(parsed.error, meant)),
  ];
  if (!parsed.success || credentials === undefined) throw new ConfigError(faults.join('\n'));
  return assemble(parsed.data, { credentials, environment: given, workingDirectory });
}

function presentDirectory(): string {
  try {
    return process.cwd();
  } catch {
    throw new ConfigError(
      'The directory that this was started in is gone: start it in one that stays, as it is where local paths begin',
    );
  }
}

/** Has this process go through the proxies that its environment names. Throws ConfigError where one cannot be one. */
export function settleProxies(environment: Record<string, string | undefined> = process.env): void {
  try {
    useProxies(proxiesIn(environment), environment);
  } catch (error) {
    throw new ConfigError(messageOf(error));
  }
}

const NO_CREDENTIALS =
  'KELPIE_API_KEY is not set: expected an API key; or, on Salad, where the machine’s own token will do, its project in KELPIE_SALAD_PROJECT';

/** What there is, whatever its form: a key that is set is meant, and a token is for where there is none. */
function credentialsIn(meant: Record<string, string>): AgentConfig['credentials'] | undefined {
  const apiKey = meant['KELPIE_API_KEY']?.trim() ?? '';
  if (apiKey !== '') return { apiKey };
  const saladProject = meant['KELPIE_SALAD_PROJECT'] ?? meant['SALAD_PROJECT_NAME'];
  return saladProject === undefined || meant['SALAD_METADATA_URL'] === NONE ? undefined : { saladProject };
}

function assemble(
  read: z.infer<typeof agentVariables>,
  rest: Pick<AgentConfig, 'credentials' | 'environment' | 'workingDirectory'>,
): AgentConfig {
  const endpoint = read.AWS_ENDPOINT_URL_S3 ?? read.AWS_ENDPOINT_URL;
  const region = read.AWS_REGION ?? read.AWS_DEFAULT_REGION;
  return {
    graphqlUrl: read.KELPIE_API_URL,
    machineId: read.SALAD_MACHINE_ID,
    containerGroupId: read.SALAD_CONTAINER_GROUP_ID,
    directories: { input: read.INPUT_DIR, checkpoint: read.CHECKPOINT_DIR, output: read.OUTPUT_DIR },
    logLevel: read.KELPIE_LOG_LEVEL,
    overlapUploads: read.KELPIE_OVERLAP_UPLOADS,
    ...(read.SALAD_METADATA_URL === NONE ? {} : { metadataUrl: read.SALAD_METADATA_URL }),
    maxJobFailures: read.MAX_JOB_FAILURES,
    maxIdleMs: read.MAX_TIME_WITH_NO_WORK_S * 1000,
    recreateBetweenJobs: read.KELPIE_RECREATE_BETWEEN_JOBS,
    ...(read.KELPIE_STATE_FILE === undefined
      ? {}
      : { stateFile: resolve(rest.workingDirectory, read.KELPIE_STATE_FILE) }),
    shutdownGraceMs: read.KELPIE_SHUTDOWN_GRACE_S * 1000,
    uploadGraceMs: (read.KELPIE_UPLOAD_GRACE_S ?? read.KELPIE_SHUTDOWN_GRACE_S) * 1000,
    killGraceMs: read.KELPIE_KILL_GRACE_S * 1000,
    killWaitMs: read.KELPIE_KILL_WAIT_S * 1000,
    reconnectGraceMs: read.KELPIE_RECONNECT_GRACE * 1000,
    sync: {
      debounceMs: read.FILE_WATCHER_DEBOUNCE_MS,
      stabilityCheckMs: read.FILE_WATCHER_STABILITY_CHECK_MS,
      maxWaitMs: read.FILE_WATCHER_MAX_WAIT_MS,
      diskWaitMs: read.KELPIE_DISK_WAIT_S * 1000,
      maxRetries: read.MAX_RETRIES,
      concurrency: FILES_AT_ONCE,
    },
    storage: {
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(read.KELPIE_MAX_UPLOAD_MBPS === undefined ? {} : { maxUploadMbps: read.KELPIE_MAX_UPLOAD_MBPS }),
    },
    traces: traceConfig(read),
    ...rest,
  };
}

/** Values that could be secrets are left out of the message: one of them is the key, and any may be pasted into the wrong variable. */
function faultsOf(error: z.ZodError, meant: Record<string, string>): string[] {
  return error.issues.map((issue) => {
    const name = String(issue.path[0]);
    const message = clause(issue.message);
    return name in meant ? `${name}: ${message}` : `${name} is not set: ${message}`;
  });
}
