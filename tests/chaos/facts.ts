import type { AttemptOutcome } from '../../db/entities/attempt.ts';
import type { JobEventType } from '../../db/entities/job-event.ts';
import type { JobStatus } from '../../db/entities/job.ts';
import type { JobPlan } from './plans.ts';
import type { Mishap } from './schedule.ts';

/** Everything that is known after a run, from all who took part. Times are milliseconds of the one clock of this machine. */
export interface Facts {
  jobs: JobFacts[];
  agents: AgentFacts[];
  writes: Write[];
  /** Digests of the (expanded) objects that are in the bucket, by key without `.gz`. */
  objects: Map<string, string>;
  receipts: Receipt[];
  reports: StaleReport[];
  faults: Injected[];
  /** Processes that ended although nobody had asked them to. */
  deaths: string[];
}

/** One job: its plan, what the database says of it, and what it says itself. */
export interface JobFacts {
  plan: JobPlan;
  row: JobRow;
  /** In the order of their numbers. */
  attempts: AttemptRow[];
  /** In the order of their `seq`. */
  events: EventRow[];
  deliveries: DeliveryRow[];
  /** In the order in which it wrote them. */
  record: RecordEntry[];
  /** What became of the wish to cancel it, if there was one. */
  cancel: CancelAnswer | undefined;
}

export interface JobRow {
  id: string;
  status: JobStatus;
  statusReason: string | null;
  attemptNumber: number;
  numFailures: number;
  numInterruptions: number;
  numSyncFailures: number;
  completedAt: number | null;
}

export interface AttemptRow {
  number: number;
  machineId: string;
  agentId: string | null;
  outcome: AttemptOutcome | null;
  reason: string | null;
  startedAt: number;
  endedAt: number | null;
}

export interface EventRow {
  seq: number;
  type: JobEventType;
  attempt: number | null;
  at: number;
  data: Record<string, unknown>;
}

export interface DeliveryRow {
  attempt: number;
  status: string;
  machineId: string | null;
  delivered: boolean;
}

/** A line of a job's own record. */
export type RecordEntry = RecordFact & { attempt: number; at: number };
export type RecordFact =
  | { kind: 'START'; resumedFrom: number; torn: string[] }
  | { kind: 'STEP'; step: number; state: string }
  | { kind: 'FAILURE'; step: number }
  | { kind: 'DONE'; files: Record<string, string> };

export type CancelAnswer = 'CANCELED' | 'CONFLICT';

/** One process of the agent. */
export interface AgentFacts {
  /** Which writes are its own. */
  accessKey: string;
  slot: number;
  machineId: string;
  /** What the server calls it; undefined when it ended before it was registered. */
  agentId: string | undefined;
}

/** A request that changes the bucket, as the store's door saw it. The store did it between `sentAt` and `answeredAt`. */
export interface Write {
  accessKey: string;
  kind: 'PUT' | 'DELETE';
  key: string;
  /** When the agent made the request, by its signature: to the second, rounded down. */
  begunAt: number;
  sentAt: number;
  answeredAt: number;
  done: boolean;
  /** Whether a checkpoint's content can be read; undefined for what else there is, and for what came in parts. */
  whole: boolean | undefined;
}

/** A webhook that somebody received, whatever was answered. */
export interface Receipt {
  jobId: string;
  status: string;
  machineId: string | null;
  key: string | undefined;
  at: number;
  accepted: boolean;
}

/** A report for an attempt that is over: `expected` says whether it is the repetition of what was said of it before. */
export interface StaleReport {
  jobId: string;
  attempt: number;
  verb: string;
  expected: 'Job' | 'LeaseLost';
  answer: string;
}

/** A fault as it really happened. `accessKey` is the process that was hit; `skipped`: there was none. */
export type Injected = Mishap & { at: number; accessKey?: string; skipped: boolean };
