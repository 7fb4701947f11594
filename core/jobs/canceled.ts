import type { JobTraces } from '../traces/job-traces.ts';

/** A traced job that was canceled, with the attempt that it had, as the statement tells. */
export interface CanceledRow {
  id: string;
  account_id: string;
  container_group_id: string;
  trace_parent: string;
  created_at: string;
  retried_at: string | null;
  canceled_at: string;
  attempt_number: number;
  num_failures: number;
  num_interruptions: number;
  /** Of the attempt that was cut off; null where none lived. */
  number: number | null;
  machine_id: string;
  agent_id: string | null;
  resumed: boolean;
  started_at: string;
  ended_at: string;
}

/** Tells those who trace jobs. For when it is committed. */
export function tellCanceled(traces: JobTraces, row: CanceledRow, reason: string): void {
  const job = {
    id: row.id,
    accountId: row.account_id,
    containerGroupId: row.container_group_id,
    traceParent: row.trace_parent,
  };
  if (row.number !== null) {
    traces.attemptEnded(job, {
      ...{ number: row.number, machineId: row.machine_id, agentId: row.agent_id },
      ...{ outcome: 'CANCELED', reason, wasLost: row.resumed },
      startedAt: new Date(row.started_at),
      endedAt: new Date(row.ended_at),
    });
  }
  const ended = {
    ...{ ...job, status: 'CANCELED' as const, attemptNumber: row.attempt_number },
    ...{ numFailures: row.num_failures, numInterruptions: row.num_interruptions },
    createdAt: new Date(row.created_at),
    retriedAt: row.retried_at === null ? null : new Date(row.retried_at),
  };
  traces.jobEnded(ended, new Date(row.canceled_at));
}
