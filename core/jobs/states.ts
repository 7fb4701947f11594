import type { AttemptOutcome } from '../../db/entities/attempt.ts';
import type { Job, JobStatus } from '../../db/entities/job.ts';

/**
 * What may follow what. `end` is an attempt's ending; from PENDING it is the late report of an attempt whose lease ran out
 * (rule 3). Nothing else in the program decides this.
 */
export const transitions = deepFreeze({
  claim: { PENDING: ['RUNNING'] },
  resume: { PENDING: ['RUNNING'] },
  end: { RUNNING: ['PENDING', 'COMPLETED', 'FAILED'], PENDING: ['PENDING', 'COMPLETED', 'FAILED'] },
  cancel: { PENDING: ['CANCELED'], RUNNING: ['CANCELED'] },
  retry: { FAILED: ['PENDING'], CANCELED: ['PENDING'] },
} as const satisfies Record<string, Partial<Record<JobStatus, readonly JobStatus[]>>>);

function deepFreeze<Table extends object>(table: Table): Table {
  for (const part of Object.values(table)) if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  return Object.freeze(table);
}

export type Verb = keyof typeof transitions;

/** Whether a job in this status may be changed by this verb at all. */
export function mayFollow(verb: Verb, from: JobStatus): boolean {
  return from in transitions[verb];
}

/** A job that has ended: only `retry` may change it (rule 8). */
export function isTerminal(status: JobStatus): boolean {
  return status === 'COMPLETED' || status === 'CANCELED' || status === 'FAILED';
}

/** At most so many attempts of a job may end with a storage or start-up fault (rule 4). */
export const MAX_SYNC_FAILURES = 10;

export type Budgets = Pick<
  Job,
  'numFailures' | 'numInterruptions' | 'numSyncFailures' | 'maxFailures' | 'maxInterruptions'
>;

/** What an attempt's ending means for its job. */
export interface Settlement {
  status: 'PENDING' | 'COMPLETED' | 'FAILED';
  statusReason: string | null;
  numFailures: number;
  numInterruptions: number;
  numSyncFailures: number;
  /** Whether the machine gets this job no more (rule 5). */
  bans: boolean;
  /** Whether the attempt may still come back (rule 3). */
  resumable: boolean;
}

/**
 * Rules 3, 4 and 5: the only place that counts. `late` says that the attempt had already been counted as lost, which is
 * taken back before its true ending is counted.
 */
export function settle(
  job: Budgets,
  ending: { outcome: Exclude<AttemptOutcome, 'CANCELED'>; reason: string | null; late: boolean },
): Settlement {
  const counted: Settlement = {
    status: 'PENDING',
    statusReason: ending.reason,
    numFailures: job.numFailures,
    numInterruptions: job.numInterruptions - (ending.late ? 1 : 0),
    numSyncFailures: job.numSyncFailures,
    bans: false,
    resumable: false,
  };
  switch (ending.outcome) {
    case 'COMPLETED':
      return { ...counted, status: 'COMPLETED', statusReason: null };
    case 'FAILED':
    case 'TIMED_OUT': {
      const numFailures = counted.numFailures + 1;
      return spend({ ...counted, numFailures, bans: true }, numFailures >= job.maxFailures, 'failed', numFailures);
    }
    case 'SYNC_FAILED': {
      const numSyncFailures = counted.numSyncFailures + 1;
      const spent = numSyncFailures >= MAX_SYNC_FAILURES;
      return spend({ ...counted, numSyncFailures }, spent, 'could not be started or synced', numSyncFailures);
    }
    case 'LOST':
    case 'RELEASED': {
      const numInterruptions = counted.numInterruptions + 1;
      const spent = job.maxInterruptions !== null && numInterruptions > job.maxInterruptions;
      const resumable = ending.outcome === 'LOST' && !spent;
      return spend({ ...counted, numInterruptions, resumable }, spent, 'was interrupted', numInterruptions);
    }
  }
}

/** Such as "The job failed 3 times and is not tried again, most recently: The command exited with code 1". */
function spend(counted: Settlement, spent: boolean, what: string, count: number): Settlement {
  const told = `The job ${what} ${count === 1 ? 'once' : `${count} times`}${spent ? ' and is not tried again' : ''}`;
  const last = counted.statusReason === null ? '' : `${count === 1 ? '' : ', most recently'}: ${counted.statusReason}`;
  return { ...counted, ...(spent && { status: 'FAILED' }), statusReason: `${told}${last}` };
}
