import { randomUUID } from 'node:crypto';
import { type Logger, destination, pino } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { openCarrier } from './carrier.ts';
import { type AgentConfig, ConfigError, loadConfig } from './config.ts';
import { createGpuSampler, tellingGpuUse } from './gpu-sampler.ts';
import { findHardware } from './hardware.ts';
import { type Claim, createLink } from './link.ts';
import { createPresence } from './presence.ts';
import { runAgent } from './run.ts';
import { listenForShutdown } from './shutdown.ts';
import { createAttemptSync, type EarlierAttempts } from './sync/attempt-sync.ts';
import { createS3Store } from './sync/s3.ts';
import { syncPlanOf } from './sync-plan.ts';
import { VERSION } from './version.ts';
import { keepVigil } from './vigil.ts';

const EXIT_WRONG_CONFIGURATION = 2;

void main();

async function main(): Promise<void> {
  const config = configOrExit();
  // What the command writes to stdout is the user's; the agent speaks on stderr.
  const log = pino({ level: config.logLevel, base: null }, destination({ dest: 2, sync: true }));
  survivePipesWithoutReader();
  await run(config, log);
  // A connection to the storage that is still kept alive must not keep the container.
  process.exit(0);
}

function configOrExit(): AgentConfig {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`kelpie: the environment of this container is not complete:\n${error.message}\n`);
    process.exit(EXIT_WRONG_CONFIGURATION);
  }
}

function survivePipesWithoutReader(): void {
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
}

async function run(config: AgentConfig, log: Logger): Promise<void> {
  const { machineId, containerGroupId } = config;
  const presence = createPresence(config.reconnectGraceMs);
  const vigil = keepVigil();
  const hardware = findHardware(config);
  let hasGpus = false;
  void hardware.then(({ gpus }) => (hasGpus = gpus.length > 0));
  const sampler = createGpuSampler(() => hasGpus);
  const asides = new Set<string>();
  const store = createS3Store({ ...config.storage, beforeSending: () => vigil.look() });
  // Not an end of the agent: jobs without sync need no storage, and the others say so by themselves.
  store.ready().catch((error: unknown) => {
    log.warn({ reason: messageOf(error) }, 'Every job that has files to sync is going to fail here');
  });
  log.info({ version: VERSION, machineId, containerGroupId, server: config.graphqlUrl }, 'The agent starts');
  await runAgent({
    config,
    log,
    presence,
    vigil,
    shutdown: listenForShutdown(),
    openLink: (listener) =>
      tellingGpuUse(
        createLink({
          open: (onConnected) => openCarrier({ ...carrierParts(config), presence, onConnected, log }),
          registration: { machineId, containerGroupId, sessionId: randomUUID(), version: VERSION },
          ...{ hardware, presence, listener, log },
        }),
        sampler,
      ),
    createSync: ({ job, attempt }, jobLog) =>
      createAttemptSync({
        ...{ store, asides },
        ...earlierAttempts(job, attempt),
        jobId: job.id,
        plan: syncPlanOf(job, config.directories),
        compression: job.compression,
        settings: config.sync,
        workingDirectory: config.workingDirectory,
        log: jobLog,
      }),
  });
}

/** When attempts before this one may have begun uploads, by the server's clock. */
function earlierAttempts(job: Claim['job'], attempt: Claim['attempt']): { earlier?: EarlierAttempts } {
  if (attempt.number === 1 || job.startedAt === null) return {};
  return { earlier: { from: new Date(job.startedAt), until: new Date(attempt.startedAt) } };
}

function carrierParts({ graphqlUrl, apiKey, reconnectGraceMs }: AgentConfig) {
  return { url: graphqlUrl, key: apiKey, graceMillis: reconnectGraceMs };
}
