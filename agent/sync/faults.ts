import { SyncError } from './errors.ts';

const FAULTS_SHOWN = 3;

/** Throws SyncError that says the first of them, if there are any. */
export function rejectOn(faults: readonly string[]): void {
  if (faults.length === 0) return;
  const rest = faults.length - FAULTS_SHOWN;
  throw new SyncError([...faults.slice(0, FAULTS_SHOWN), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; '));
}

export function goneAltogether(root: string): string {
  const advice = 'check that the command leaves it there, with its results';
  return `the local path ${root} is gone, although it was made for this job: ${advice}`;
}

export function neverStill(root: string): string {
  const advice = 'end what still changes them';
  return `files in ${root} came and went whenever they were looked at, so some may not have been seen: ${advice}`;
}
