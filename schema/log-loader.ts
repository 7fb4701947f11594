import DataLoader from 'dataloader';
import type { Viewer } from '../core/accounts/keys.ts';
import type { Core } from '../core/core.ts';
import { InvalidInputError } from '../core/errors.ts';
import type { LogLine } from '../core/logs/lines.ts';
import { tailLogs } from '../core/logs/read.ts';
import type { Job } from '../db/entities/job.ts';

/** Characters of text. A list of a thousand jobs could name a gigabyte. */
const MOST_AT_ONCE = 16 * 1024 * 1024;

interface Wanted {
  job: Job;
  tail: number;
  attempt: number | undefined;
}

/** The last lines of jobs' logs: read one after another, and of all jobs of one step together only so much. */
export function createLogLoader(core: Core, viewer: Viewer): (wanted: Wanted) => Promise<LogLine[]> {
  const loader = new DataLoader<Wanted, LogLine[]>(
    async (all) => {
      const results: (LogLine[] | Error)[] = [];
      let left = MOST_AT_ONCE;
      for (const { job, ...options } of all) {
        const lines = left > 0 ? (await tailLogs(core, viewer, job, options)).lines : tooMuch();
        if (!(lines instanceof Error)) left -= lines.reduce((sum, { text }) => sum + text.length, 0);
        results.push(lines);
      }
      return results;
    },
    { cache: false },
  );
  return (wanted) => loader.load(wanted);
}

function tooMuch(): Error {
  const message = `Expected logs of at most ${MOST_AT_ONCE} characters in all: ask for fewer jobs, or a smaller tail`;
  return new InvalidInputError([{ path: ['tail'], message }]);
}
