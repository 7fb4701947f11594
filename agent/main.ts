import { randomUUID } from 'node:crypto';
import { arch, availableParallelism, platform, totalmem } from 'node:os';
import { type Logger, destination, pino } from 'pino';
import { type AgentConfig, ConfigError, loadConfig } from './config.ts';
import { createLink } from './link.ts';
import { runAgent } from './run.ts';
import { listenForShutdown } from './shutdown.ts';
import { createAttemptSync } from './sync/attempt-sync.ts';
import { createS3Store } from './sync/s3.ts';
import { syncPlanOf } from './sync-plan.ts';
import { VERSION } from './version.ts';
import { openWebSocket } from './websocket.ts';

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
  const store = createS3Store(config.storage);
  log.info({ version: VERSION, machineId, containerGroupId, server: config.graphqlUrl }, 'The agent starts');
  await runAgent({
    config,
    log,
    shutdown: listenForShutdown(),
    openLink: (listener) =>
      createLink({
        open: (onConnected) => openWebSocket({ url: config.graphqlUrl, key: config.apiKey, onConnected, log }),
        registration: { machineId, containerGroupId, sessionId: randomUUID(), version: VERSION, hardware: hardware() },
        listener,
        log,
      }),
    createSync: (job, jobLog) =>
      createAttemptSync({
        store,
        plan: syncPlanOf(job, config.directories),
        compression: job.compression,
        settings: config.sync,
        workingDirectory: config.workingDirectory,
        log: jobLog,
      }),
  });
}

function hardware(): Record<string, unknown> {
  return { platform: platform(), arch: arch(), cpus: availableParallelism(), memoryBytes: totalmem() };
}
