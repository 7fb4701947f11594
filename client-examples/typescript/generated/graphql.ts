/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
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

export type NowQueryVariables = Exact<{ [key: string]: never; }>;


export type NowQuery = { feedCursor: string };

export type SubmitMutationVariables = Exact<{
  input: SubmitJobInput;
}>;


export type SubmitMutation = { submitJob:
    | { __typename: 'Conflict', message: string }
    | { __typename: 'Forbidden', message: string }
    | { __typename: 'InvalidInput', message: string, issues: Array<{ path: Array<string>, message: string }> }
    | { __typename: 'Job', id: string }
   };

export type EventsSubscriptionVariables = Exact<{
  after: string;
  group: string;
}>;


export type EventsSubscription = { jobEvents:
    | { __typename: 'EventGap', message: string, oldestCursor: string }
    | { __typename: 'JobEvent', cursor: string, jobId: string, type: JobEventType, attempt: number | null, data: Record<string, unknown> }
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

export const NowDocument = new TypedDocumentString(`
    query Now {
  feedCursor
}
    `) as unknown as TypedDocumentString<NowQuery, NowQueryVariables>;
export const SubmitDocument = new TypedDocumentString(`
    mutation Submit($input: SubmitJobInput!) {
  submitJob(input: $input) {
    __typename
    ... on Job {
      id
    }
    ... on InvalidInput {
      issues {
        path
        message
      }
    }
    ... on Failure {
      message
    }
  }
}
    `) as unknown as TypedDocumentString<SubmitMutation, SubmitMutationVariables>;
export const EventsDocument = new TypedDocumentString(`
    subscription Events($after: Cursor!, $group: String!) {
  jobEvents(after: $after, filter: { containerGroupId: $group }) {
    __typename
    ... on JobEvent {
      cursor
      jobId
      type
      attempt
      data
    }
    ... on EventGap {
      message
      oldestCursor
    }
  }
}
    `) as unknown as TypedDocumentString<EventsSubscription, EventsSubscriptionVariables>;