import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { survivePipesWithoutReader } from '../lib/output.ts';
import { VERSION } from '../lib/version.ts';
import { openCarrier } from './carrier.ts';
import { check, reportOf } from './check.ts';
import { HELP, wishOf } from './command-line.ts';
import { type AgentConfig, ConfigError, loadConfig, settleProxies } from './config.ts';
import { type Credentials, keyCredentials, tokenCredentials } from './credentials.ts';
import { createGpuSampler, tellingGpuUse } from './gpu-sampler.ts';
import { findHardware } from './hardware.ts';
import { createMetadataService, type MetadataService } from './imds.ts';
import { createInstance } from './instance.ts';
import { type Claim, createLink } from './link.ts';
import { createLog } from './log.ts';
import { createOccupation } from './occupation.ts';
import { createPresence } from './presence.ts';
import { type AgentParts, MachineUnusable, runAgent } from './run.ts';
import { listenForShutdown } from './shutdown.ts';
import { createStateFile } from './state-file.ts';
import { createAttemptSync, type EarlierAttempts } from './sync/attempt-sync.ts';
import { createS3Store } from './sync/s3.ts';
import { syncPlanOf } from './sync-plan.ts';
import { openTraces } from './traces.ts';
import { keepVigil } from './vigil.ts';
import { leave } from './workers.ts';

const EXIT_SOMETHING_WRONG = 1;
const EXIT_NOT_UNDERSTOOD = 2;

void main();

async function main(): Promise<void> {
  const wish = wishOf(process.argv.slice(2));
  switch (wish.kind) {
    case 'RUN':
      return work();
    case 'CHECK':
      return look();
    case 'VERSION':
      process.stdout.write(`${VERSION}\n`);
      return;
    case 'HELP':
      process.stdout.write(HELP);
      return;
    case 'UNCLEAR':
      process.stderr.write(`kelpie: ${wish.why}\n\n${HELP}`);
      process.exitCode = EXIT_NOT_UNDERSTOOD;
  }
}

async function work(): Promise<void> {
  const config = configOrExit();
  // What the command writes to stdout is the user's; the agent speaks on stderr.
  const log = createLog(config.logLevel);
  survivePipesWithoutReader();
  try {
    await run(config, log);
  } catch (error) {
    if (!(error instanceof MachineUnusable)) throw error;
    log.fatal({ reason: error.message }, 'This machine is of no use until it is restarted, and the agent ends');
    await leave(EXIT_SOMETHING_WRONG, log);
  }
  // A connection to the storage that is still kept alive must not keep the container.
  await leave(0, log);
}

function configOrExit(): AgentConfig {
  try {
    const config = loadConfig();
    // Afterwards: commands are given the environment as it was.
    settleProxies();
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`kelpie: the environment of this container is not complete:\n${error.message}\n`);
    process.exit(EXIT_NOT_UNDERSTOOD);
  }
}

async function look(): Promise<void> {
  const config = configOrExit();
  survivePipesWithoutReader();
  const credentials = credentialsOf(config, serviceOf(config));
  const findings = await check({ config, credentials, store: createS3Store(config.storage) });
  process.stdout.write(reportOf(findings));
  const isWrong = findings.some(({ verdict }) => verdict === 'WRONG');
  await leave(isWrong ? EXIT_SOMETHING_WRONG : 0, createLog(config.logLevel));
}

async function run(config: AgentConfig, log: Logger): Promise<void> {
  const { machineId, containerGroupId } = config;
  const shutdown = listenForShutdown();
  const service = serviceOf(config);
  const instance = createInstance({ service, isExpected: 'saladProject' in config.credentials, log });
  const stateFile = await createStateFile(config.stateFile, log);
  const occupation = createOccupation({ tellState: stateFile.tell, tellCost: instance.costs });
  const vigil = keepVigil();
  const traces = await openTraces(config, log);
  const store = createS3Store({ ...config.storage, beforeSending: () => vigil.look() });
  // Not an end of the agent: jobs without sync need no storage, and the others say so by themselves.
  store.ready().catch((error: unknown) => {
    log.warn({ reason: messageOf(error) }, 'Every job that has files to sync is going to fail here');
  });
  log.info({ version: VERSION, machineId, containerGroupId, server: config.graphqlUrl }, 'The agent starts');
  try {
    await runAgent({
      ...{ config, log, vigil, shutdown, instance, occupation, stateFile: stateFile.path },
      ...talking(config, service, log),
      tracer: traces.tracer,
      createSync: syncing(config, store),
    });
  } finally {
    await stateFile.remove();
    instance.stop();
    await traces.stop(shutdown.hurrying);
  }
}

/** How the server is spoken to, and as whom. */
function talking(config: AgentConfig, service: MetadataService | undefined, log: Logger) {
  const { machineId, containerGroupId, graphqlUrl, reconnectGraceMs } = config;
  const presence = createPresence(reconnectGraceMs);
  const hardware = findHardware(config);
  let hasGpus = false;
  void hardware.then(({ gpus }) => (hasGpus = gpus.length > 0));
  const sampler = createGpuSampler(() => hasGpus);
  const carrying = { url: graphqlUrl, credentials: credentialsOf(config, service), graceMillis: reconnectGraceMs };
  const openLink: AgentParts['openLink'] = (listener) =>
    tellingGpuUse(
      createLink({
        open: (onConnected) => openCarrier({ ...carrying, presence, onConnected, log }),
        registration: { machineId, containerGroupId, sessionId: randomUUID(), version: VERSION },
        ...{ hardware, presence, listener, log },
      }),
      sampler,
    );
  return { presence, openLink };
}

function serviceOf({ metadataUrl }: AgentConfig): MetadataService | undefined {
  return metadataUrl === undefined ? undefined : createMetadataService(metadataUrl);
}

function credentialsOf({ credentials }: AgentConfig, service: MetadataService | undefined): Credentials {
  if ('apiKey' in credentials) return keyCredentials(credentials.apiKey);
  const fetchToken = (): Promise<string> =>
    service?.token(new AbortController().signal) ?? Promise.reject(new Error('there is no metadata service to ask'));
  return tokenCredentials({ fetchToken, project: credentials.saladProject });
}

function syncing(config: AgentConfig, store: ReturnType<typeof createS3Store>): AgentParts['createSync'] {
  const asides = new Set<string>();
  return ({ job, attempt }, jobLog) =>
    createAttemptSync({
      ...{ store, asides },
      ...earlierAttempts(job, attempt),
      jobId: job.id,
      plan: syncPlanOf(job, config.directories),
      compression: job.compression,
      settings: config.sync,
      workingDirectory: config.workingDirectory,
      log: jobLog,
    });
}

/** When attempts before this one may have begun uploads, by the server's clock. */
function earlierAttempts(job: Claim['job'], attempt: Claim['attempt']): { earlier?: EarlierAttempts } {
  if (attempt.number === 1 || job.startedAt === null) return {};
  return { earlier: { from: new Date(job.startedAt), until: new Date(attempt.startedAt) } };
}
