import type { AgentConfig } from './config.ts';
import { commandEnvironment } from './environment.ts';
import type { Claim } from './link.ts';
import type { LogShipper } from './logs.ts';
import { type RunningCommand, startCommand } from './process.ts';
import type { ProgressFile } from './progress.ts';
import type { Activity } from './stall.ts';
import type { AttemptSync } from './sync/attempt-sync.ts';

export interface LaunchParts {
  claim: Claim;
  config: Pick<AgentConfig, 'environment' | 'directories' | 'workingDirectory' | 'killWaitMs'>;
  /** Where the command may read what the agent does, if anywhere. */
  stateFile: string | undefined;
  sync: Pick<AttemptSync, 'commandMayHaveDied'>;
  progress: Pick<ProgressFile, 'path'>;
  activity: Pick<Activity, 'seen'>;
  logs: Pick<LogShipper, 'push'>;
  hurries: () => boolean;
}

/** Starts the job's command, with all that it is given, and has what it writes passed on. Rejects with CommandNotStarted. */
export function launch(
  { claim, config, stateFile, progress, activity, logs, sync, hurries }: LaunchParts,
  traceParent: string | undefined,
): Promise<RunningCommand> {
  return startCommand({
    command: claim.job.command,
    arguments: claim.job.arguments,
    environment: commandEnvironment({
      container: config.environment,
      job: claim.job.environment,
      jobId: claim.job.id,
      attempt: claim.attempt.number,
      directories: config.directories,
      progressFile: progress.path,
      stateFile,
      traceParent,
    }),
    workingDirectory: config.workingDirectory,
    killWaitMs: config.killWaitMs,
    hurries,
    stdout: process.stdout,
    stderr: process.stderr,
    onOutput: (chunk, stream) => {
      activity.seen();
      logs.push(stream, chunk);
    },
    onDanger: (dangers) => sync.commandMayHaveDied(dangers),
  });
}
