import type { Viewer } from '../../core/accounts/keys.ts';
import type { Core } from '../../core/core.ts';

/** What the REST layer stands on. */
export interface RestParts {
  core: Core;
  /**
   * Who asks, by the request's headers.
   * @throws UnauthenticatedError without a key
   * @throws ForbiddenError with an unknown or revoked one
   */
  viewerOf(request: Request): Promise<Viewer>;
  log: RestLog;
  /** Resolves when the database answers, rejects when it can't be reached. */
  ready(): Promise<void>;
}

export interface RestLog {
  error(fields: Record<string, unknown>, message: string): void;
}

/** What middleware leaves for the handlers. */
export interface RestEnv {
  Variables: { viewer: Viewer; requestId: string };
}
