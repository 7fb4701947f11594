import { isOfMachine, SyncError } from './errors.ts';

/** What could not be read or published. */
export interface Fault {
  reason: string;
  /** What was thrown, where something was. */
  cause?: unknown;
}

const FAULTS_SHOWN = 3;

/** Throws SyncError that says the first of them, if there are any. Its cause is one that speaks of this machine, if any does. */
export function rejectOn(faults: readonly Fault[]): void {
  if (faults.length === 0) return;
  const rest = faults.length - FAULTS_SHOWN;
  const shown = faults.slice(0, FAULTS_SHOWN).map(({ reason }) => reason);
  const { cause } = faults.find((fault) => isOfMachine(fault.cause)) ?? faults[0] ?? {};
  throw new SyncError([...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join('; '), { cause });
}

export function goneAltogether(root: string): Fault {
  const advice = 'check that the command leaves it there, with its results';
  return { reason: `the local path ${root} is gone, although it was made for this job: ${advice}` };
}

export function neverStill(root: string): Fault {
  const advice = 'end what still changes them';
  return {
    reason: `files in ${root} came and went whenever they were looked at, so some may not have been seen: ${advice}`,
  };
}
