/** A fault in what somebody sent: where, and what was expected. */
export interface InputIssue {
  /** From the outermost field inwards, as the caller named them: `['sync', 'before', 0, 'prefix']`. */
  path: (string | number)[];
  message: string;
}

/** An expected failure: its message is meant for the person who asked, and tells what to do. */
export abstract class KelpieError extends Error {
  abstract readonly code: string;
  override get name(): string {
    return this.constructor.name;
  }
}

/** What was sent cannot be taken. Nothing was stored. */
export class InvalidInputError extends KelpieError {
  readonly code = 'INVALID_INPUT';
  readonly issues: InputIssue[];
  constructor(issues: InputIssue[]) {
    super(issues.map((issue) => `${issue.path.join('.') || 'input'}: ${issue.message}`).join('; '));
    this.issues = issues;
  }
}

/** Nobody presented a key, or one that is unknown, revoked or expired. */
export class UnauthenticatedError extends KelpieError {
  readonly code = 'UNAUTHENTICATED';
}

/** The key is known, but its role does not allow this. */
export class ForbiddenError extends KelpieError {
  readonly code = 'FORBIDDEN';
}

/** There is no such thing in the asker's account; another account's things look just the same. */
export class NotFoundError extends KelpieError {
  readonly code = 'NOT_FOUND';
}

/** What was asked contradicts what is: cancelling a completed job, an idempotency key with another body. */
export class ConflictError extends KelpieError {
  readonly code = 'CONFLICT';
}

/** Rule 2: a newer attempt exists, or the job has ended, or the job was taken from the attempt. */
export class LeaseLostError extends KelpieError {
  readonly code = 'LEASE_LOST';
  /** Whether a cancel is why: then nobody else does the job, and the command may be ended politely. */
  readonly isCanceled: boolean;
  constructor(message: string, isCanceled: boolean) {
    super(message);
    this.isCanceled = isCanceled;
  }
}

/** Somebody has asked more often than a bound allows. */
export class RateLimitedError extends KelpieError {
  readonly code = 'RATE_LIMITED';
  readonly retryAfterSeconds: number;
  /** @param retryAfterSeconds whole seconds, at least 1 */
  constructor(message: string, retryAfterSeconds: number) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** An operation goes beyond a bound that the operator has set. */
export class LimitExceededError extends KelpieError {
  readonly code = 'LIMIT_EXCEEDED';
  readonly limit: string;
  readonly max: number;
  /** @param limit the variable that sets it */
  constructor(message: string, limit: string, max: number) {
    super(message);
    this.limit = limit;
    this.max = max;
  }
}

/** What the answer depends on can't be reached just now: neither a yes nor a no. The same may be asked again. */
export class UnavailableError extends KelpieError {
  readonly code = 'UNAVAILABLE';
  readonly retryAfterSeconds: number;
  /** @param retryAfterSeconds whole seconds, at least 1 */
  constructor(message: string, retryAfterSeconds = 1) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
