import type { Viewer } from '../../core/accounts/keys.ts';
import type { Core } from '../../core/core.ts';
import type { LogFollowers } from '../../core/logs/follow.ts';

/** What the REST layer stands on. */
export interface RestParts {
  core: Core;
  logFollowers: LogFollowers;
  /**
   * Who asks, by the request's headers.
   * @throws UnauthenticatedError without a key
   * @throws ForbiddenError with an unknown or revoked one
   */
  viewerOf(request: Request): Promise<Viewer>;
  /** Aborted when the server stops: answers that go on for ever break off. */
  stopping: AbortSignal;
  log: RestLog;
  /** Resolves when the database answers, rejects when it can't be reached. */
  ready(): Promise<void>;
}

export interface RestLog {
  error(fields: Record<string, unknown>, message: string): void;
}

/** What middleware leaves for the handlers. */
export interface RestEnv {
  /** Of one request: closes its connection, although its answer has not ended. */
  Bindings: { hangUp: () => void };
  Variables: { viewer: Viewer; requestId: string };
}
