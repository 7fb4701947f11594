/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** What a server tells an agent. */
export type AgentSignalType =
  /** The named attempt has lost its job to a cancel: stop the command. */
  | 'CANCEL'
  /** Stop, flush, release, and leave. */
  | 'DRAIN'
  /** This machine is banned from too many jobs: ask for another one. */
  | 'REALLOCATE'
  /** Claim now. */
  | 'WORK_AVAILABLE';

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

/** Some lines in a row. */
export type AppendLogsInput = {
  /** The attempt that holds it. */
  attempt: number;
  /** The job. */
  jobId: string;
  /** At most 4,096 lines, and 128 KiB of text. */
  lines: Array<LogLineInput>;
  /** Number of the first line within the attempt, counted from 0. */
  offset: number;
};

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

/** What has been published while the command ran, in this attempt so far. Safe to send twice: totals only grow. */
export type CheckpointsInput = {
  /** Their bytes over the wire. */
  bytes: string;
  /** How many publications; a file that is published twice counts twice. */
  files: number;
  /** The keys of the newest ones, in the order of their publication, at most 10. */
  newestKeys: Array<string>;
};

/** Who asks for work. */
export type ClaimJobInput = {
  /** The agent, as it was registered. */
  agentId: string;
  /** A UUID of the agent’s choice. Asked for again, because the answer was lost, it is the same claim. */
  claimId?: string | null | undefined;
};

/** The command exited 0, and everything it should leave is in storage. */
export type CompleteAttemptInput = {
  /** The attempt that holds it. */
  attempt: number;
  /** Bytes brought from storage in this attempt. */
  bytesDownloaded?: string | null | undefined;
  /** Bytes carried to storage in this attempt. */
  bytesUploaded?: string | null | undefined;
  /** What it has published while its command ran. */
  checkpoints?: CheckpointsInput | null | undefined;
  /** Files brought from storage in this attempt. */
  filesDownloaded?: number | null | undefined;
  /** Files carried to storage in this attempt. */
  filesUploaded?: number | null | undefined;
  /** The job. */
  jobId: string;
};

/** The attempt ended badly. */
export type FailAttemptInput = {
  /** The attempt that holds it. */
  attempt: number;
  /** Bytes brought from storage in this attempt. */
  bytesDownloaded?: string | null | undefined;
  /** Bytes carried to storage in this attempt. */
  bytesUploaded?: string | null | undefined;
  /** What it has published while its command ran. */
  checkpoints?: CheckpointsInput | null | undefined;
  /** The command’s exit code. */
  exitCode?: number | null | undefined;
  /** Files brought from storage in this attempt. */
  filesDownloaded?: number | null | undefined;
  /** Files carried to storage in this attempt. */
  filesUploaded?: number | null | undefined;
  /** The job. */
  jobId: string;
  /** FAILED, SYNC_FAILED or TIMED_OUT. */
  outcome: AttemptOutcome;
  /** For a person who wants to act on it. */
  reason: string;
  /** The signal that ended the command, as SIGKILL; what names none is left out. */
  signal?: string | null | undefined;
};

/** How busy the GPUs of a machine were. */
export type GpuSampleInput = {
  /** So long ago, in milliseconds. */
  ageMillis: number;
  /** 1 to 64 GPUs. */
  gpus: Array<GpuUseInput>;
};

/** How busy one GPU is. */
export type GpuUseInput = {
  /** Its number on the machine. */
  index: number;
  /** Memory in use, in bytes. */
  memoryUsedBytes?: number | null | undefined;
  /** Between 0 and 1. */
  utilization?: number | null | undefined;
};

/** A sign of life of an attempt. */
export type HeartbeatInput = {
  /** The attempt that holds it. */
  attempt: number;
  /** Bytes brought from storage in this attempt. */
  bytesDownloaded?: string | null | undefined;
  /** Bytes carried to storage in this attempt. */
  bytesUploaded?: string | null | undefined;
  /** What it has published while its command ran. */
  checkpoints?: CheckpointsInput | null | undefined;
  /** Files brought from storage in this attempt. */
  filesDownloaded?: number | null | undefined;
  /** Files carried to storage in this attempt. */
  filesUploaded?: number | null | undefined;
  /** How busy the machine’s GPUs are. One is kept, with the agent, at most every 5 seconds. */
  gpuSample?: GpuSampleInput | null | undefined;
  /** The job. */
  jobId: string;
  /** What it is doing, where that has changed. */
  phase?: AttemptPhase | null | undefined;
  /** What the command says of itself, where that has changed. */
  progress?: ProgressInput | null | undefined;
  /** For how long the oldest change that is synced during the command has not been in storage, in seconds; 0 when everything is. Left out where nothing is synced. */
  syncLagSeconds?: number | null | undefined;
  /** How far its downloads or uploads are, while it is DOWNLOADING or UPLOADING. */
  transfer?: TransferInput | null | undefined;
  /** What hinders it now, for a person, at most 500 characters; null when nothing does (any more). Left out, what was said last goes on. */
  warning?: string | null | undefined;
};

/** What the holder of a lease should do. */
export type LeaseDirective =
  /** Go on. */
  | 'CONTINUE'
  /** Stop the command, flush, and release the job. */
  | 'STOP';

/** One line of what the command wrote. */
export type LogLineInput = {
  /** Milliseconds from the beginning of the attempt. */
  afterMillis: number;
  /** Where it comes from. */
  stream: LogStream;
  /** Without its line end, at most 8,400 characters. */
  text: string;
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

/** What the command says of itself. */
export type ProgressInput = {
  /** Between 0 and 1. */
  fraction?: number | null | undefined;
  /** For a person. */
  message?: string | null | undefined;
  /** Whatever the command measures. */
  metrics?: Record<string, unknown> | null | undefined;
};

/** What an agent says of itself when it connects. */
export type RegisterAgentInput = {
  /** The queue it works for. */
  containerGroupId: string;
  /** What of the fields of AgentHardware it knows, under the same names (bytes as numbers), and whatever else; at most 8,192 bytes of JSON. Left out, what was told before stays. */
  hardware?: Record<string, unknown> | null | undefined;
  /** The machine it runs on. */
  machineId: string;
  /** A UUID, made anew by each process and kept over reconnections. */
  sessionId: string;
  /** Version of its program. */
  version?: string | null | undefined;
};

/** The agent gives the job back; another machine may have it at once. */
export type ReleaseAttemptInput = {
  /** The attempt that holds it. */
  attempt: number;
  /** Bytes brought from storage in this attempt. */
  bytesDownloaded?: string | null | undefined;
  /** Bytes carried to storage in this attempt. */
  bytesUploaded?: string | null | undefined;
  /** What it has published while its command ran. */
  checkpoints?: CheckpointsInput | null | undefined;
  /** Files brought from storage in this attempt. */
  filesDownloaded?: number | null | undefined;
  /** Files carried to storage in this attempt. */
  filesUploaded?: number | null | undefined;
  /** The job. */
  jobId: string;
  /** For a person. */
  reason?: string | null | undefined;
};

/** Which way the files go. */
export type SyncDirection =
  /** From the bucket to the machine. */
  | 'DOWNLOAD'
  /** From the machine to the bucket. */
  | 'UPLOAD';

/** How far downloads or uploads are. Totals are what is known of so far. */
export type TransferInput = {
  /** Bytes moved, of files under way too. */
  bytesDone: string;
  /** How quick it has been in the last seconds. */
  bytesPerSecond: number;
  /** Bytes in all. */
  bytesTotal: string;
  /** Files that are whole. */
  filesDone: number;
  /** Files in all. */
  filesTotal: number;
};

export type RegisterAgentMutationVariables = Exact<{
  input: RegisterAgentInput;
}>;


export type RegisterAgentMutation = { registerAgent:
    | { __typename: 'Agent', id: string, reconnectGraceMillis: number }
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string }
   };

export type ClaimJobMutationVariables = Exact<{
  input: ClaimJobInput;
}>;


export type ClaimJobMutation = { claimJob:
    | { __typename: 'Claim', leaseMillis: number, traceParent: string | null, attempt: { number: number, startedAt: string }, job: { id: string, command: string, arguments: Array<string>, environment: Record<string, unknown>, compression: boolean, timeoutSeconds: number | null, stallTimeoutSeconds: number | null, heartbeatInterval: number, startedAt: string | null, sync: { before: Array<{ bucket: string, prefix: string, localPath: string, direction: SyncDirection, pattern: string | null, patternSyntax: PatternSyntax | null }>, during: Array<{ bucket: string, prefix: string, localPath: string, direction: SyncDirection, pattern: string | null, patternSyntax: PatternSyntax | null }>, after: Array<{ bucket: string, prefix: string, localPath: string, direction: SyncDirection, pattern: string | null, patternSyntax: PatternSyntax | null }> } | null, legacySync: { inputBucket: string, inputPrefix: string, checkpointBucket: string, checkpointPrefix: string, outputBucket: string, outputPrefix: string } | null } }
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string }
    | { __typename: 'NoWork', retryAfterMillis: number, signal: AgentSignalType | null }
    | { __typename: 'NotFound', message: string }
   };

export type ClaimedJobFragment = { id: string, command: string, arguments: Array<string>, environment: Record<string, unknown>, compression: boolean, timeoutSeconds: number | null, stallTimeoutSeconds: number | null, heartbeatInterval: number, startedAt: string | null, sync: { before: Array<{ bucket: string, prefix: string, localPath: string, direction: SyncDirection, pattern: string | null, patternSyntax: PatternSyntax | null }>, during: Array<{ bucket: string, prefix: string, localPath: string, direction: SyncDirection, pattern: string | null, patternSyntax: PatternSyntax | null }>, after: Array<{ bucket: string, prefix: string, localPath: string, direction: SyncDirection, pattern: string | null, patternSyntax: PatternSyntax | null }> } | null, legacySync: { inputBucket: string, inputPrefix: string, checkpointBucket: string, checkpointPrefix: string, outputBucket: string, outputPrefix: string } | null };

export type SyncInstructionFragment = { bucket: string, prefix: string, localPath: string, direction: SyncDirection, pattern: string | null, patternSyntax: PatternSyntax | null };

export type HeartbeatMutationVariables = Exact<{
  input: HeartbeatInput;
}>;


export type HeartbeatMutation = { heartbeat:
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string }
    | { __typename: 'Lease', leaseMillis: number, directive: LeaseDirective }
    | { __typename: 'LeaseLost', canceled: boolean, message: string }
   };

export type AppendLogsMutationVariables = Exact<{
  input: AppendLogsInput;
}>;


export type AppendLogsMutation = { appendLogs:
    | { __typename: 'AppendedLogs', nextOffset: number }
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string }
    | { __typename: 'LeaseLost', message: string }
   };

export type CompleteAttemptMutationVariables = Exact<{
  input: CompleteAttemptInput;
}>;


export type CompleteAttemptMutation = { completeAttempt:
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string }
    | { __typename: 'Job' }
    | { __typename: 'LeaseLost', message: string }
   };

export type FailAttemptMutationVariables = Exact<{
  input: FailAttemptInput;
}>;


export type FailAttemptMutation = { failAttempt:
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string }
    | { __typename: 'Job' }
    | { __typename: 'LeaseLost', message: string }
   };

export type ReleaseAttemptMutationVariables = Exact<{
  input: ReleaseAttemptInput;
}>;


export type ReleaseAttemptMutation = { releaseAttempt:
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string }
    | { __typename: 'Job' }
    | { __typename: 'LeaseLost', message: string }
   };

export type AgentSignalsSubscriptionVariables = Exact<{
  agentId: string;
  connection: number;
}>;


export type AgentSignalsSubscription = { agentSignals: { type: AgentSignalType, jobId: string | null, attempt: number | null } };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { accountId: string, role: ApiKeyRole } };

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
export const SyncInstructionFragmentDoc = new TypedDocumentString(`
    fragment SyncInstruction on SyncEntry {
  bucket
  prefix
  localPath
  direction
  pattern
  patternSyntax
}
    `, {"fragmentName":"SyncInstruction"}) as unknown as TypedDocumentString<SyncInstructionFragment, unknown>;
export const ClaimedJobFragmentDoc = new TypedDocumentString(`
    fragment ClaimedJob on Job {
  id
  command
  arguments
  environment
  compression
  timeoutSeconds
  stallTimeoutSeconds
  heartbeatInterval
  startedAt
  sync {
    before {
      ...SyncInstruction
    }
    during {
      ...SyncInstruction
    }
    after {
      ...SyncInstruction
    }
  }
  legacySync {
    inputBucket
    inputPrefix
    checkpointBucket
    checkpointPrefix
    outputBucket
    outputPrefix
  }
}
    fragment SyncInstruction on SyncEntry {
  bucket
  prefix
  localPath
  direction
  pattern
  patternSyntax
}`, {"fragmentName":"ClaimedJob"}) as unknown as TypedDocumentString<ClaimedJobFragment, unknown>;
export const RegisterAgentDocument = new TypedDocumentString(`
    mutation RegisterAgent($input: RegisterAgentInput!) {
  registerAgent(input: $input) {
    __typename
    ... on Agent {
      id
      reconnectGraceMillis
    }
    ... on Failure {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<RegisterAgentMutation, RegisterAgentMutationVariables>;
export const ClaimJobDocument = new TypedDocumentString(`
    mutation ClaimJob($input: ClaimJobInput!) {
  claimJob(input: $input) {
    __typename
    ... on Claim {
      leaseMillis
      traceParent
      attempt {
        number
        startedAt
      }
      job {
        ...ClaimedJob
      }
    }
    ... on NoWork {
      retryAfterMillis
      signal
    }
    ... on Failure {
      message
    }
  }
}
    fragment ClaimedJob on Job {
  id
  command
  arguments
  environment
  compression
  timeoutSeconds
  stallTimeoutSeconds
  heartbeatInterval
  startedAt
  sync {
    before {
      ...SyncInstruction
    }
    during {
      ...SyncInstruction
    }
    after {
      ...SyncInstruction
    }
  }
  legacySync {
    inputBucket
    inputPrefix
    checkpointBucket
    checkpointPrefix
    outputBucket
    outputPrefix
  }
}
fragment SyncInstruction on SyncEntry {
  bucket
  prefix
  localPath
  direction
  pattern
  patternSyntax
}`) as unknown as TypedDocumentString<ClaimJobMutation, ClaimJobMutationVariables>;
export const HeartbeatDocument = new TypedDocumentString(`
    mutation Heartbeat($input: HeartbeatInput!) {
  heartbeat(input: $input) {
    __typename
    ... on Lease {
      leaseMillis
      directive
    }
    ... on LeaseLost {
      canceled
    }
    ... on Failure {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<HeartbeatMutation, HeartbeatMutationVariables>;
export const AppendLogsDocument = new TypedDocumentString(`
    mutation AppendLogs($input: AppendLogsInput!) {
  appendLogs(input: $input) {
    __typename
    ... on AppendedLogs {
      nextOffset
    }
    ... on Failure {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<AppendLogsMutation, AppendLogsMutationVariables>;
export const CompleteAttemptDocument = new TypedDocumentString(`
    mutation CompleteAttempt($input: CompleteAttemptInput!) {
  completeAttempt(input: $input) {
    __typename
    ... on Failure {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<CompleteAttemptMutation, CompleteAttemptMutationVariables>;
export const FailAttemptDocument = new TypedDocumentString(`
    mutation FailAttempt($input: FailAttemptInput!) {
  failAttempt(input: $input) {
    __typename
    ... on Failure {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<FailAttemptMutation, FailAttemptMutationVariables>;
export const ReleaseAttemptDocument = new TypedDocumentString(`
    mutation ReleaseAttempt($input: ReleaseAttemptInput!) {
  releaseAttempt(input: $input) {
    __typename
    ... on Failure {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<ReleaseAttemptMutation, ReleaseAttemptMutationVariables>;
export const AgentSignalsDocument = new TypedDocumentString(`
    subscription AgentSignals($agentId: ID!, $connection: Int!) {
  agentSignals(agentId: $agentId, connection: $connection) {
    type
    jobId
    attempt
  }
}
    `) as unknown as TypedDocumentString<AgentSignalsSubscription, AgentSignalsSubscriptionVariables>;
export const ViewerDocument = new TypedDocumentString(`
    query Viewer {
  viewer {
    accountId
    role
  }
}
    `) as unknown as TypedDocumentString<ViewerQuery, ViewerQueryVariables>;