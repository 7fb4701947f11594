/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Which agents: every part that is given must hold. */
export type AgentFilter = {
  /** In this container group. */
  containerGroupId?: string | null | undefined;
  /** On this machine. */
  machineId?: string | null | undefined;
  /** In any of these states. */
  state?: Array<AgentState> | null | undefined;
};

/** What an agent is doing. */
export type AgentState =
  /** It holds a job. */
  | 'BUSY'
  /** It was asked to leave. */
  | 'DRAINING'
  /** Nothing was heard of it for 30 seconds, and it holds no job. */
  | 'GONE'
  /** It is there, and holds no job. */
  | 'IDLE';

/** What a key may be used for. */
export type ApiKeyRole =
  /** Claims, heartbeats and reports, and nothing else. */
  | 'AGENT'
  /** Everything in its account. */
  | 'OWNER'
  /** Submits and reads. */
  | 'SUBMITTER'
  /** Reads. */
  | 'VIEWER';

/** How an attempt ended. */
export type AttemptOutcome =
  /** The job was canceled meanwhile. */
  | 'CANCELED'
  /** The command exited 0 and everything is in storage. */
  | 'COMPLETED'
  /** The command’s own fault: it exited with a code other than 0, or could not be started. */
  | 'FAILED'
  /** Its lease ran out: nothing was heard of its machine. */
  | 'LOST'
  /** Its agent gave the job back. */
  | 'RELEASED'
  /** A fault of storage or start-up: not the command’s. */
  | 'SYNC_FAILED'
  /** The command took longer than the job allows. */
  | 'TIMED_OUT';

/** What a living attempt is doing. */
export type AttemptPhase =
  /** It brings what the command needs. */
  | 'DOWNLOADING'
  /** The command runs. */
  | 'RUNNING'
  /** The command has ended; its results are carried to storage. */
  | 'UPLOADING';

/** A rule for a container group that has none. */
export type CreateScalingRuleInput = {
  /** The container group. */
  containerGroupId: string;
  /** How long a queue must be empty before replicas are taken away, 0 to 3,600 s (300). */
  idleThresholdSeconds?: number | null | undefined;
  /** Never more than these, 0 to 500 (100). */
  maxReplicas?: number | null | undefined;
  /** Never fewer than these, 0 to 500 (0). */
  minReplicas?: number | null | undefined;
};

/** What happened. */
export type JobEventType =
  /** An attempt ended, with its outcome. */
  | 'ATTEMPT_ENDED'
  /** An attempt that was believed lost came back before anybody else had the job. */
  | 'ATTEMPT_RESUMED'
  /** A machine that was banned may have the job again. */
  | 'BAN_LIFTED'
  /** The job was canceled. */
  | 'CANCELED'
  /** Files that are synced during the command are in storage: how many (`files`, `bytes`), at most 10 `keys`, and how many `more`. */
  | 'CHECKPOINT_SAVED'
  /** An attempt began. */
  | 'CLAIMED'
  /** The job completed. */
  | 'COMPLETED'
  /** The job failed for good. */
  | 'FAILED'
  /** The attempt entered another phase. */
  | 'PHASE_CHANGED'
  /** The command, or a download or an upload, is so far. */
  | 'PROGRESSED'
  /** The job was removed. The event says what it was then: its status, the machine that had it last, and its labels, which are kept until its events go. */
  | 'PURGED'
  /** The job was made pending again, with its whole budget. */
  | 'RETRIED'
  /** The job was stored. */
  | 'SUBMITTED'
  /** Something hinders the attempt (`message`), or does so no longer (null). */
  | 'WARNED';

/** Which jobs: every part that is given must hold. */
export type JobFilter = {
  /** In this container group. */
  containerGroupId?: string | null | undefined;
  /** Any of these, at most 100. */
  ids?: Array<string> | null | undefined;
  /** With each of these labels, having this value. */
  labels?: Record<string, unknown> | null | undefined;
  /** Held, or last held, by this machine. */
  machineId?: string | null | undefined;
  /** With each of these words, at most 10, in its name, command, the first 8,192 characters of its arguments, its machine or id, in capitals or not (other letters than a to z: as the database’s locale knows them). At most 200 characters. Few searches run at once, of one account one, each for 3 seconds at most: the rest of the filter makes them quicker. */
  search?: string | null | undefined;
  /** Any of these. */
  status?: Array<JobStatus> | null | undefined;
};

/** How a list of jobs is ordered. */
export type JobOrder =
  /** Last submitted, first. */
  | 'NEWEST_FIRST'
  /** First submitted, first. */
  | 'OLDEST_FIRST';

/** Where a job stands. */
export type JobStatus =
  /** Somebody canceled it. */
  | 'CANCELED'
  /** The command has succeeded and everything it should leave is in storage. */
  | 'COMPLETED'
  /** A budget of failures or interruptions is spent. */
  | 'FAILED'
  /** It waits for a machine. */
  | 'PENDING'
  /** An attempt holds it. */
  | 'RUNNING';

/** The older form of sync; all six fields belong together. */
export type LegacySyncInput = {
  /** Bucket of the checkpoints. */
  checkpointBucket: string;
  /** Prefix of the checkpoints; downloaded to CHECKPOINT_DIR before, and uploaded from it during the command. */
  checkpointPrefix: string;
  /** Bucket of the inputs. */
  inputBucket: string;
  /** Prefix of the inputs; downloaded to INPUT_DIR before the command starts. */
  inputPrefix: string;
  /** Bucket of the outputs. */
  outputBucket: string;
  /** Prefix of the outputs; uploaded from OUTPUT_DIR during and after the command. */
  outputPrefix: string;
};

/** Where a line comes from. */
export type LogStream =
  /** Not the command: what was left out here, or how an attempt ended. */
  | 'KELPIE'
  /** The command’s standard error. */
  | 'STDERR'
  /** The command’s standard output. */
  | 'STDOUT';

/** How a pattern is to be read. Without it, the pattern itself decides. */
export type PatternSyntax =
  /** Shell wildcards, against the relative path, or the file name where the pattern has no slash. */
  | 'GLOB'
  /** A regular expression (RE2), searched in the relative path. */
  | 'REGEX';

/** A job to be run. Only the command and the container group are needed. */
export type SubmitJobInput = {
  /** Its arguments; no shell comes in between. */
  arguments?: Array<string> | null | undefined;
  /** The program, found by PATH or named by its path. */
  command: string;
  /** Whether files are stored compressed with gzip (false). */
  compression?: boolean | null | undefined;
  /** The queue: which machines may run it. */
  containerGroupId: string;
  /** Its variables, names to texts. */
  environment?: Record<string, unknown> | null | undefined;
  /** Seconds between heartbeats; a lease lasts twice as long (30). */
  heartbeatInterval?: number | null | undefined;
  /** The same key with the same job returns the job that was stored first. */
  idempotencyKey?: string | null | undefined;
  /** Names and texts of your choice, at most 64. */
  labels?: Record<string, unknown> | null | undefined;
  /** The older form of sync, instead of it. */
  legacySync?: LegacySyncInput | null | undefined;
  /** So many failures of the command make the job FAILED (3). */
  maxFailures?: number | null | undefined;
  /** More interruptions than this make the job FAILED (unlimited). */
  maxInterruptions?: number | null | undefined;
  /** What you call it. */
  name?: string | null | undefined;
  /** -100 to 100, higher first (0). */
  priority?: number | null | undefined;
  /** How long a command may go without progress, output or checkpoint, in seconds (unlimited). */
  stallTimeoutSeconds?: number | null | undefined;
  /** What is carried between storage and machine. */
  sync?: SyncInput | null | undefined;
  /** How long one attempt’s command may take, in seconds (unlimited). */
  timeoutSeconds?: number | null | undefined;
  /** Where its outcome is told. */
  webhook?: string | null | undefined;
};

/** Which way the files go. */
export type SyncDirection =
  /** From the bucket to the machine. */
  | 'DOWNLOAD'
  /** From the machine to the bucket. */
  | 'UPLOAD';

/** One direction of one directory. */
export type SyncEntryInput = {
  /** Name of the bucket. */
  bucket: string;
  /** DOWNLOAD before, UPLOAD during and after. */
  direction: SyncDirection;
  /** Directory on the machine. */
  localPath: string;
  /** Which files; all without it. */
  pattern?: string | null | undefined;
  /** How to read the pattern; without it, the pattern decides. */
  patternSyntax?: PatternSyntax | null | undefined;
  /** A slash is added at its end; empty for the bucket’s root. */
  prefix: string;
};

/** What is carried between storage and machine, and when. */
export type SyncInput = {
  /** Uploaded after the command has succeeded. */
  after?: Array<SyncEntryInput> | null | undefined;
  /** Downloaded before the command starts. */
  before?: Array<SyncEntryInput> | null | undefined;
  /** Uploaded while the command runs. */
  during?: Array<SyncEntryInput> | null | undefined;
};

/** What of a rule is to change; the rest stays. */
export type UpdateScalingRuleInput = {
  /** The container group. */
  containerGroupId: string;
  /** How long a queue must be empty before replicas are taken away, 0 to 3,600 s (300). */
  idleThresholdSeconds?: number | null | undefined;
  /** Never more than these, 0 to 500 (100). */
  maxReplicas?: number | null | undefined;
  /** Never fewer than these, 0 to 500 (0). */
  minReplicas?: number | null | undefined;
};

export type ListAgentsQueryVariables = Exact<{
  filter: AgentFilter;
  first: number;
  after?: string | null | undefined;
}>;


export type ListAgentsQuery = { agents: { pageInfo: { hasNextPage: boolean, endCursor: string | null }, nodes: Array<{ id: string, machineId: string, containerGroupId: string, state: AgentState, version: string | null, registeredAt: string, lastSeenAt: string, hardware: { cpus: number | null, memoryBytes: string | null, gpus: Array<{ name: string | null }> } | null, jobs: Array<{ id: string, name: string | null }> }> } };

export type RuleFragment = { containerGroupId: string, minReplicas: number, maxReplicas: number, idleThresholdSeconds: number, updatedAt: string, nextActionAt: string | null, lastDecision: { wanted: number, reason: string, at: string } | null, lastAnswer: { ok: boolean, message: string, at: string } | null };

export type ListRulesQueryVariables = Exact<{ [key: string]: never; }>;


export type ListRulesQuery = { scalingRules: Array<{ containerGroupId: string, minReplicas: number, maxReplicas: number, idleThresholdSeconds: number, updatedAt: string, nextActionAt: string | null, lastDecision: { wanted: number, reason: string, at: string } | null, lastAnswer: { ok: boolean, message: string, at: string } | null }> };

export type FindRuleQueryVariables = Exact<{
  group: string;
}>;


export type FindRuleQuery = { scalingRule: { containerGroupId: string, minReplicas: number, maxReplicas: number, idleThresholdSeconds: number, updatedAt: string, nextActionAt: string | null, lastDecision: { wanted: number, reason: string, at: string } | null, lastAnswer: { ok: boolean, message: string, at: string } | null } | null };

export type CreateRuleMutationVariables = Exact<{
  input: CreateScalingRuleInput;
}>;


export type CreateRuleMutation = { createScalingRule:
    | { __typename: 'Conflict', code: string, message: string }
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'InvalidInput', code: string, message: string, issues: Array<{ path: Array<string>, message: string }> }
    | { __typename: 'ScalingRule', containerGroupId: string, minReplicas: number, maxReplicas: number, idleThresholdSeconds: number, updatedAt: string, nextActionAt: string | null, lastDecision: { wanted: number, reason: string, at: string } | null, lastAnswer: { ok: boolean, message: string, at: string } | null }
   };

export type UpdateRuleMutationVariables = Exact<{
  input: UpdateScalingRuleInput;
}>;


export type UpdateRuleMutation = { updateScalingRule:
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'InvalidInput', code: string, message: string, issues: Array<{ path: Array<string>, message: string }> }
    | { __typename: 'NotFound', code: string, message: string }
    | { __typename: 'ScalingRule', containerGroupId: string, minReplicas: number, maxReplicas: number, idleThresholdSeconds: number, updatedAt: string, nextActionAt: string | null, lastDecision: { wanted: number, reason: string, at: string } | null, lastAnswer: { ok: boolean, message: string, at: string } | null }
   };

export type DeleteRuleMutationVariables = Exact<{
  group: string;
}>;


export type DeleteRuleMutation = { deleteScalingRule:
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'NotFound', code: string, message: string }
    | { __typename: 'ScalingRule', containerGroupId: string, minReplicas: number, maxReplicas: number, idleThresholdSeconds: number, updatedAt: string, nextActionAt: string | null, lastDecision: { wanted: number, reason: string, at: string } | null, lastAnswer: { ok: boolean, message: string, at: string } | null }
   };

export type KeyFragment = { id: string, isPresented: boolean, name: string | null, role: ApiKeyRole, createdAt: string, revokedAt: string | null };

export type ListKeysQueryVariables = Exact<{ [key: string]: never; }>;


export type ListKeysQuery = { apiKeys: Array<{ id: string, isPresented: boolean, name: string | null, role: ApiKeyRole, createdAt: string, revokedAt: string | null }> };

export type CreateKeyMutationVariables = Exact<{
  role: ApiKeyRole;
  name?: string | null | undefined;
}>;


export type CreateKeyMutation = { createApiKey:
    | { __typename: 'Conflict', code: string, message: string }
    | { __typename: 'CreatedApiKey', secret: string, apiKey: { id: string, isPresented: boolean, name: string | null, role: ApiKeyRole, createdAt: string, revokedAt: string | null } }
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'InvalidInput', code: string, message: string }
    | { __typename: 'NotFound', code: string, message: string }
   };

export type RevokeKeyMutationVariables = Exact<{
  id: string;
}>;


export type RevokeKeyMutation = { revokeApiKey:
    | { __typename: 'ApiKey', id: string, isPresented: boolean, name: string | null, role: ApiKeyRole, createdAt: string, revokedAt: string | null }
    | { __typename: 'Conflict', code: string, message: string }
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'NotFound', code: string, message: string }
   };

type Refusal_Conflict_Fragment = { code: string, message: string };

type Refusal_Forbidden_Fragment = { code: string, message: string };

type Refusal_InvalidInput_Fragment = { code: string, message: string };

type Refusal_LeaseLost_Fragment = { code: string, message: string };

type Refusal_NotFound_Fragment = { code: string, message: string };

export type RefusalFragment =
  | Refusal_Conflict_Fragment
  | Refusal_Forbidden_Fragment
  | Refusal_InvalidInput_Fragment
  | Refusal_LeaseLost_Fragment
  | Refusal_NotFound_Fragment
;

export type JobRowFragment = { id: string, name: string | null, status: JobStatus, statusReason: string | null, containerGroupId: string, labels: Record<string, unknown>, machineId: string | null, createdAt: string, completedAt: string | null, failedAt: string | null, canceledAt: string | null, lastCheckpointAt: string | null, progress: { fraction: number | null, message: string | null, secondsLeft: number | null } | null, attempt: { number: number, phase: AttemptPhase | null } | null };

export type InstructionFragment = { bucket: string, prefix: string, localPath: string, pattern: string | null };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { accountId: string, role: ApiKeyRole } };

export type SubmitJobsMutationVariables = Exact<{
  input: Array<SubmitJobInput> | SubmitJobInput;
}>;


export type SubmitJobsMutation = { submitJobs:
    | { __typename: 'Conflict', code: string, message: string }
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'InvalidInput', code: string, message: string, issues: Array<{ path: Array<string>, message: string }> }
    | { __typename: 'SubmittedJobs', jobs: Array<{ id: string, name: string | null, status: JobStatus, statusReason: string | null, containerGroupId: string, labels: Record<string, unknown>, machineId: string | null, createdAt: string, completedAt: string | null, failedAt: string | null, canceledAt: string | null, lastCheckpointAt: string | null, progress: { fraction: number | null, message: string | null, secondsLeft: number | null } | null, attempt: { number: number, phase: AttemptPhase | null } | null }> }
   };

export type ListJobsQueryVariables = Exact<{
  filter: JobFilter;
  first: number;
  after?: string | null | undefined;
  orderBy: JobOrder;
}>;


export type ListJobsQuery = { jobs: { totalCount: number, pageInfo: { hasNextPage: boolean, endCursor: string | null }, nodes: Array<{ id: string, name: string | null, status: JobStatus, statusReason: string | null, containerGroupId: string, labels: Record<string, unknown>, machineId: string | null, createdAt: string, completedAt: string | null, failedAt: string | null, canceledAt: string | null, lastCheckpointAt: string | null, progress: { fraction: number | null, message: string | null, secondsLeft: number | null } | null, attempt: { number: number, phase: AttemptPhase | null } | null }> } };

export type FindJobQueryVariables = Exact<{
  id: string;
}>;


export type FindJobQuery = { job: { id: string, name: string | null, status: JobStatus, statusReason: string | null, containerGroupId: string, labels: Record<string, unknown>, machineId: string | null, createdAt: string, completedAt: string | null, failedAt: string | null, canceledAt: string | null, lastCheckpointAt: string | null, progress: { fraction: number | null, message: string | null, secondsLeft: number | null } | null, attempt: { number: number, phase: AttemptPhase | null } | null } | null };

export type GetJobQueryVariables = Exact<{
  id: string;
}>;


export type GetJobQuery = { job: { command: string, arguments: Array<string>, environment: Record<string, unknown>, priority: number, compression: boolean, webhook: string | null, maxFailures: number, maxInterruptions: number | null, timeoutSeconds: number | null, numFailures: number, numInterruptions: number, numSyncFailures: number, startedAt: string | null, heartbeatAt: string | null, runSeconds: number, syncLagSeconds: number | null, id: string, name: string | null, status: JobStatus, statusReason: string | null, containerGroupId: string, labels: Record<string, unknown>, machineId: string | null, createdAt: string, completedAt: string | null, failedAt: string | null, canceledAt: string | null, lastCheckpointAt: string | null, sync: { before: Array<{ bucket: string, prefix: string, localPath: string, pattern: string | null }>, during: Array<{ bucket: string, prefix: string, localPath: string, pattern: string | null }>, after: Array<{ bucket: string, prefix: string, localPath: string, pattern: string | null }> } | null, attempts: { nodes: Array<{ number: number, machineId: string, phase: AttemptPhase | null, outcome: AttemptOutcome | null, reason: string | null, exitCode: number | null, signal: string | null, startedAt: string, endedAt: string | null }> }, progress: { fraction: number | null, message: string | null, secondsLeft: number | null } | null, attempt: { number: number, phase: AttemptPhase | null } | null } | null };

export type FeedCursorQueryVariables = Exact<{ [key: string]: never; }>;


export type FeedCursorQuery = { feedCursor: string };

export type JobEventsSubscriptionVariables = Exact<{
  filter?: JobFilter | null | undefined;
  after: string;
}>;


export type JobEventsSubscription = { jobEvents:
    | { __typename: 'EventGap', message: string, oldestCursor: string }
    | { __typename: 'JobEvent', cursor: string, jobId: string, seq: number, type: JobEventType, at: string, attempt: number | null, data: Record<string, unknown> }
   };

export type TailLogsQueryVariables = Exact<{
  id: string;
  tail: number;
  attempt?: number | null | undefined;
}>;


export type TailLogsQuery = { job: { status: JobStatus, attempt: { number: number } | null, logs: Array<{ attempt: number, offset: number, at: string, stream: LogStream, text: string }> } | null };

export type JobLogsSubscriptionVariables = Exact<{
  id: string;
  attempt?: number | null | undefined;
  fromOffset?: number | null | undefined;
}>;


export type JobLogsSubscription = { jobLogs: { attempt: number, nextOffset: number, lines: Array<{ attempt: number, offset: number, at: string, stream: LogStream, text: string }> } };

export type CancelJobMutationVariables = Exact<{
  id: string;
}>;


export type CancelJobMutation = { cancelJob:
    | { __typename: 'Conflict', code: string, message: string }
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'Job', id: string, name: string | null, status: JobStatus, statusReason: string | null, containerGroupId: string, labels: Record<string, unknown>, machineId: string | null, createdAt: string, completedAt: string | null, failedAt: string | null, canceledAt: string | null, lastCheckpointAt: string | null, progress: { fraction: number | null, message: string | null, secondsLeft: number | null } | null, attempt: { number: number, phase: AttemptPhase | null } | null }
    | { __typename: 'NotFound', code: string, message: string }
   };

export type CancelJobsMutationVariables = Exact<{
  filter: JobFilter;
}>;


export type CancelJobsMutation = { cancelJobs:
    | { __typename: 'CanceledJobs', count: number }
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'InvalidInput', code: string, message: string }
   };

export type RetryJobMutationVariables = Exact<{
  id: string;
}>;


export type RetryJobMutation = { retryJob:
    | { __typename: 'Conflict', code: string, message: string }
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'Job', id: string, name: string | null, status: JobStatus, statusReason: string | null, containerGroupId: string, labels: Record<string, unknown>, machineId: string | null, createdAt: string, completedAt: string | null, failedAt: string | null, canceledAt: string | null, lastCheckpointAt: string | null, progress: { fraction: number | null, message: string | null, secondsLeft: number | null } | null, attempt: { number: number, phase: AttemptPhase | null } | null }
    | { __typename: 'NotFound', code: string, message: string }
   };

export type JobBansQueryVariables = Exact<{
  id: string;
}>;


export type JobBansQuery = { job: { bans: Array<{ machineId: string }> } | null };

export type LiftBanMutationVariables = Exact<{
  jobId: string;
  machineId: string;
}>;


export type LiftBanMutation = { liftBan:
    | { __typename: 'Forbidden', code: string, message: string }
    | { __typename: 'InvalidInput', code: string, message: string }
    | { __typename: 'Job', id: string }
    | { __typename: 'NotFound', code: string, message: string }
   };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const RuleFragmentDoc = new TypedDocumentString(`
    fragment Rule on ScalingRule {
  containerGroupId
  minReplicas
  maxReplicas
  idleThresholdSeconds
  updatedAt
  nextActionAt
  lastDecision {
    wanted
    reason
    at
  }
  lastAnswer {
    ok
    message
    at
  }
}
    `, {"fragmentName":"Rule"}) as unknown as TypedDocumentString<RuleFragment, unknown>;
export const KeyFragmentDoc = new TypedDocumentString(`
    fragment Key on ApiKey {
  id
  isPresented
  name
  role
  createdAt
  revokedAt
}
    `, {"fragmentName":"Key"}) as unknown as TypedDocumentString<KeyFragment, unknown>;
export const RefusalFragmentDoc = new TypedDocumentString(`
    fragment Refusal on Failure {
  code
  message
}
    `, {"fragmentName":"Refusal"}) as unknown as TypedDocumentString<RefusalFragment, unknown>;
export const JobRowFragmentDoc = new TypedDocumentString(`
    fragment JobRow on Job {
  id
  name
  status
  statusReason
  containerGroupId
  labels
  machineId
  createdAt
  completedAt
  failedAt
  canceledAt
  lastCheckpointAt
  progress {
    fraction
    message
    secondsLeft
  }
  attempt {
    number
    phase
  }
}
    `, {"fragmentName":"JobRow"}) as unknown as TypedDocumentString<JobRowFragment, unknown>;
export const InstructionFragmentDoc = new TypedDocumentString(`
    fragment Instruction on SyncEntry {
  bucket
  prefix
  localPath
  pattern
}
    `, {"fragmentName":"Instruction"}) as unknown as TypedDocumentString<InstructionFragment, unknown>;
export const ListAgentsDocument = new TypedDocumentString(`
    query ListAgents($filter: AgentFilter!, $first: Int!, $after: String) {
  agents(filter: $filter, first: $first, after: $after) {
    pageInfo {
      hasNextPage
      endCursor
    }
    nodes {
      id
      machineId
      containerGroupId
      state
      version
      registeredAt
      lastSeenAt
      hardware {
        cpus
        memoryBytes
        gpus {
          name
        }
      }
      jobs {
        id
        name
      }
    }
  }
}
    `) as unknown as TypedDocumentString<ListAgentsQuery, ListAgentsQueryVariables>;
export const ListRulesDocument = new TypedDocumentString(`
    query ListRules {
  scalingRules {
    ...Rule
  }
}
    fragment Rule on ScalingRule {
  containerGroupId
  minReplicas
  maxReplicas
  idleThresholdSeconds
  updatedAt
  nextActionAt
  lastDecision {
    wanted
    reason
    at
  }
  lastAnswer {
    ok
    message
    at
  }
}`) as unknown as TypedDocumentString<ListRulesQuery, ListRulesQueryVariables>;
export const FindRuleDocument = new TypedDocumentString(`
    query FindRule($group: String!) {
  scalingRule(containerGroupId: $group) {
    ...Rule
  }
}
    fragment Rule on ScalingRule {
  containerGroupId
  minReplicas
  maxReplicas
  idleThresholdSeconds
  updatedAt
  nextActionAt
  lastDecision {
    wanted
    reason
    at
  }
  lastAnswer {
    ok
    message
    at
  }
}`) as unknown as TypedDocumentString<FindRuleQuery, FindRuleQueryVariables>;
export const CreateRuleDocument = new TypedDocumentString(`
    mutation CreateRule($input: CreateScalingRuleInput!) {
  createScalingRule(input: $input) {
    __typename
    ... on ScalingRule {
      ...Rule
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
    ...Refusal
  }
}
    fragment Rule on ScalingRule {
  containerGroupId
  minReplicas
  maxReplicas
  idleThresholdSeconds
  updatedAt
  nextActionAt
  lastDecision {
    wanted
    reason
    at
  }
  lastAnswer {
    ok
    message
    at
  }
}
fragment Refusal on Failure {
  code
  message
}`) as unknown as TypedDocumentString<CreateRuleMutation, CreateRuleMutationVariables>;
export const UpdateRuleDocument = new TypedDocumentString(`
    mutation UpdateRule($input: UpdateScalingRuleInput!) {
  updateScalingRule(input: $input) {
    __typename
    ... on ScalingRule {
      ...Rule
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
    ...Refusal
  }
}
    fragment Rule on ScalingRule {
  containerGroupId
  minReplicas
  maxReplicas
  idleThresholdSeconds
  updatedAt
  nextActionAt
  lastDecision {
    wanted
    reason
    at
  }
  lastAnswer {
    ok
    message
    at
  }
}
fragment Refusal on Failure {
  code
  message
}`) as unknown as TypedDocumentString<UpdateRuleMutation, UpdateRuleMutationVariables>;
export const DeleteRuleDocument = new TypedDocumentString(`
    mutation DeleteRule($group: String!) {
  deleteScalingRule(containerGroupId: $group) {
    __typename
    ... on ScalingRule {
      ...Rule
    }
    ...Refusal
  }
}
    fragment Rule on ScalingRule {
  containerGroupId
  minReplicas
  maxReplicas
  idleThresholdSeconds
  updatedAt
  nextActionAt
  lastDecision {
    wanted
    reason
    at
  }
  lastAnswer {
    ok
    message
    at
  }
}
fragment Refusal on Failure {
  code
  message
}`) as unknown as TypedDocumentString<DeleteRuleMutation, DeleteRuleMutationVariables>;
export const ListKeysDocument = new TypedDocumentString(`
    query ListKeys {
  apiKeys {
    ...Key
  }
}
    fragment Key on ApiKey {
  id
  isPresented
  name
  role
  createdAt
  revokedAt
}`) as unknown as TypedDocumentString<ListKeysQuery, ListKeysQueryVariables>;
export const CreateKeyDocument = new TypedDocumentString(`
    mutation CreateKey($role: ApiKeyRole!, $name: String) {
  createApiKey(role: $role, name: $name) {
    __typename
    ... on CreatedApiKey {
      secret
      apiKey {
        ...Key
      }
    }
    ...Refusal
  }
}
    fragment Key on ApiKey {
  id
  isPresented
  name
  role
  createdAt
  revokedAt
}
fragment Refusal on Failure {
  code
  message
}`) as unknown as TypedDocumentString<CreateKeyMutation, CreateKeyMutationVariables>;
export const RevokeKeyDocument = new TypedDocumentString(`
    mutation RevokeKey($id: ID!) {
  revokeApiKey(id: $id) {
    __typename
    ... on ApiKey {
      ...Key
    }
    ...Refusal
  }
}
    fragment Key on ApiKey {
  id
  isPresented
  name
  role
  createdAt
  revokedAt
}
fragment Refusal on Failure {
  code
  message
}`) as unknown as TypedDocumentString<RevokeKeyMutation, RevokeKeyMutationVariables>;
export const ViewerDocument = new TypedDocumentString(`
    query Viewer {
  viewer {
    accountId
    role
  }
}
    `) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;
export const SubmitJobsDocument = new TypedDocumentString(`
    mutation SubmitJobs($input: [SubmitJobInput!]!) {
  submitJobs(input: $input) {
    __typename
    ... on SubmittedJobs {
      jobs {
        ...JobRow
      }
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
    ...Refusal
  }
}
    fragment Refusal on Failure {
  code
  message
}
fragment JobRow on Job {
  id
  name
  status
  statusReason
  containerGroupId
  labels
  machineId
  createdAt
  completedAt
  failedAt
  canceledAt
  lastCheckpointAt
  progress {
    fraction
    message
    secondsLeft
  }
  attempt {
    number
    phase
  }
}`) as unknown as TypedDocumentString<SubmitJobsMutation, SubmitJobsMutationVariables>;
export const ListJobsDocument = new TypedDocumentString(`
    query ListJobs($filter: JobFilter!, $first: Int!, $after: String, $orderBy: JobOrder!) {
  jobs(filter: $filter, first: $first, after: $after, orderBy: $orderBy) {
    totalCount
    pageInfo {
      hasNextPage
      endCursor
    }
    nodes {
      ...JobRow
    }
  }
}
    fragment JobRow on Job {
  id
  name
  status
  statusReason
  containerGroupId
  labels
  machineId
  createdAt
  completedAt
  failedAt
  canceledAt
  lastCheckpointAt
  progress {
    fraction
    message
    secondsLeft
  }
  attempt {
    number
    phase
  }
}`) as unknown as TypedDocumentString<ListJobsQuery, ListJobsQueryVariables>;
export const FindJobDocument = new TypedDocumentString(`
    query FindJob($id: ID!) {
  job(id: $id) {
    ...JobRow
  }
}
    fragment JobRow on Job {
  id
  name
  status
  statusReason
  containerGroupId
  labels
  machineId
  createdAt
  completedAt
  failedAt
  canceledAt
  lastCheckpointAt
  progress {
    fraction
    message
    secondsLeft
  }
  attempt {
    number
    phase
  }
}`) as unknown as TypedDocumentString<FindJobQuery, FindJobQueryVariables>;
export const GetJobDocument = new TypedDocumentString(`
    query GetJob($id: ID!) {
  job(id: $id) {
    ...JobRow
    command
    arguments
    environment
    priority
    compression
    webhook
    maxFailures
    maxInterruptions
    timeoutSeconds
    numFailures
    numInterruptions
    numSyncFailures
    startedAt
    heartbeatAt
    runSeconds
    syncLagSeconds
    sync {
      before {
        ...Instruction
      }
      during {
        ...Instruction
      }
      after {
        ...Instruction
      }
    }
    attempts(last: 20) {
      nodes {
        number
        machineId
        phase
        outcome
        reason
        exitCode
        signal
        startedAt
        endedAt
      }
    }
  }
}
    fragment JobRow on Job {
  id
  name
  status
  statusReason
  containerGroupId
  labels
  machineId
  createdAt
  completedAt
  failedAt
  canceledAt
  lastCheckpointAt
  progress {
    fraction
    message
    secondsLeft
  }
  attempt {
    number
    phase
  }
}
fragment Instruction on SyncEntry {
  bucket
  prefix
  localPath
  pattern
}`) as unknown as TypedDocumentString<GetJobQuery, GetJobQueryVariables>;
export const FeedCursorDocument = new TypedDocumentString(`
    query FeedCursor {
  feedCursor
}
    `) as unknown as TypedDocumentString<FeedCursorQuery, FeedCursorQueryVariables>;
export const JobEventsDocument = new TypedDocumentString(`
    subscription JobEvents($filter: JobFilter, $after: Cursor!) {
  jobEvents(filter: $filter, after: $after) {
    __typename
    ... on JobEvent {
      cursor
      jobId
      seq
      type
      at
      attempt
      data
    }
    ... on EventGap {
      message
      oldestCursor
    }
  }
}
    `) as unknown as TypedDocumentString<JobEventsSubscription, JobEventsSubscriptionVariables>;
export const TailLogsDocument = new TypedDocumentString(`
    query TailLogs($id: ID!, $tail: Int!, $attempt: Int) {
  job(id: $id) {
    status
    attempt {
      number
    }
    logs(tail: $tail, attempt: $attempt) {
      attempt
      offset
      at
      stream
      text
    }
  }
}
    `) as unknown as TypedDocumentString<TailLogsQuery, TailLogsQueryVariables>;
export const JobLogsDocument = new TypedDocumentString(`
    subscription JobLogs($id: ID!, $attempt: Int, $fromOffset: Int) {
  jobLogs(jobId: $id, attempt: $attempt, fromOffset: $fromOffset) {
    attempt
    nextOffset
    lines {
      attempt
      offset
      at
      stream
      text
    }
  }
}
    `) as unknown as TypedDocumentString<JobLogsSubscription, JobLogsSubscriptionVariables>;
export const CancelJobDocument = new TypedDocumentString(`
    mutation CancelJob($id: ID!) {
  cancelJob(id: $id) {
    __typename
    ... on Job {
      ...JobRow
    }
    ...Refusal
  }
}
    fragment Refusal on Failure {
  code
  message
}
fragment JobRow on Job {
  id
  name
  status
  statusReason
  containerGroupId
  labels
  machineId
  createdAt
  completedAt
  failedAt
  canceledAt
  lastCheckpointAt
  progress {
    fraction
    message
    secondsLeft
  }
  attempt {
    number
    phase
  }
}`) as unknown as TypedDocumentString<CancelJobMutation, CancelJobMutationVariables>;
export const CancelJobsDocument = new TypedDocumentString(`
    mutation CancelJobs($filter: JobFilter!) {
  cancelJobs(filter: $filter) {
    __typename
    ... on CanceledJobs {
      count
    }
    ...Refusal
  }
}
    fragment Refusal on Failure {
  code
  message
}`) as unknown as TypedDocumentString<CancelJobsMutation, CancelJobsMutationVariables>;
export const RetryJobDocument = new TypedDocumentString(`
    mutation RetryJob($id: ID!) {
  retryJob(id: $id) {
    __typename
    ... on Job {
      ...JobRow
    }
    ...Refusal
  }
}
    fragment Refusal on Failure {
  code
  message
}
fragment JobRow on Job {
  id
  name
  status
  statusReason
  containerGroupId
  labels
  machineId
  createdAt
  completedAt
  failedAt
  canceledAt
  lastCheckpointAt
  progress {
    fraction
    message
    secondsLeft
  }
  attempt {
    number
    phase
  }
}`) as unknown as TypedDocumentString<RetryJobMutation, RetryJobMutationVariables>;
export const JobBansDocument = new TypedDocumentString(`
    query JobBans($id: ID!) {
  job(id: $id) {
    bans {
      machineId
    }
  }
}
    `) as unknown as TypedDocumentString<JobBansQuery, JobBansQueryVariables>;
export const LiftBanDocument = new TypedDocumentString(`
    mutation LiftBan($jobId: ID!, $machineId: String!) {
  liftBan(jobId: $jobId, machineId: $machineId) {
    __typename
    ... on Job {
      id
    }
    ...Refusal
  }
}
    fragment Refusal on Failure {
  code
  message
}`) as unknown as TypedDocumentString<LiftBanMutation, LiftBanMutationVariables>;