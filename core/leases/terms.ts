/** How long a lease lasts from its last heartbeat, as polling workers expect it (milliseconds). */
export function leaseMillis(heartbeatInterval: number): number {
  return 2 * heartbeatInterval * 1_000;
}

/** The right to act on a job: what every write under a lease carries (rule 2). */
export interface LeaseRef {
  jobId: string;
  attempt: number;
}

/** The same with its account, as the statements name it. */
export interface Fence {
  account_id: string;
  job_id: string;
  attempt: number;
}
