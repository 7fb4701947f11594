import { z } from 'zod';
import type { LegacyDirectories } from './sync-plan.ts';

const strings = z.record(z.string(), z.string());

/**
 * The environment a command is given: the container's, over it the job's, over that what Kelpie says of the attempt.
 * Throws when the job's environment holds anything but strings.
 */
export function commandEnvironment(parts: {
  container: Record<string, string>;
  job: unknown;
  jobId: string;
  attempt: number;
  directories: LegacyDirectories;
  /** Absent where no temporary folder could be made. */
  progressFile: string | undefined;
  /** Absent where no place could be found for it. */
  stateFile: string | undefined;
  /** Where the command is in a trace; a job that says so itself knows better. */
  traceParent: string | undefined;
}): Record<string, string> {
  const job = strings.safeParse(parts.job);
  if (!job.success) {
    const names = job.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new Error(`The job's environment must map names to strings; these do not: ${names || 'the whole'}.`);
  }
  return {
    ...parts.container,
    ...(parts.traceParent === undefined ? {} : { TRACEPARENT: parts.traceParent }),
    ...job.data,
    INPUT_DIR: parts.directories.input,
    OUTPUT_DIR: parts.directories.output,
    CHECKPOINT_DIR: parts.directories.checkpoint,
    KELPIE_JOB_ID: parts.jobId,
    KELPIE_ATTEMPT: String(parts.attempt),
    ...(parts.progressFile === undefined ? {} : { KELPIE_PROGRESS_FILE: parts.progressFile }),
    ...(parts.stateFile === undefined ? {} : { KELPIE_STATE_FILE: parts.stateFile }),
  };
}
