import type { Viewer } from '../../core/accounts/keys.ts';
import type { OpenCore } from '../../core/open.ts';
import type { Bodies } from '../bodies.ts';
import type { ExecutionPlaces } from '../execution-places.ts';
import type { NamedLease } from '../../core/leases/own.ts';

/** What the REST layer stands on. */
export interface RestParts {
  core: OpenCore;
  /**
   * Who asks, by the request's headers.
   * @throws UnauthenticatedError without a key
   * @throws ForbiddenError with an unknown or revoked one
   * @throws RateLimitedError when there were too many requests with it
   */
  viewerOf(request: Request): Promise<Viewer>;
  /** The same, of a request that is counted when it is known who holds which job by it; undefined: nobody holds any. */
  callerOf(request: Request): Promise<{ viewer: Viewer; count(lease: NamedLease | undefined): Promise<void> }>;
  log: RestLog;
  /** The folder with the dashboard's built files: by default where they are built to. */
  dashboard?: string | undefined;
  /** Resolves when the database answers, rejects when it can't be reached. */
  ready(): Promise<void>;
  /** Aborted when the server stops: what waits or streams ends then. */
  stopping: AbortSignal;
  /** Bounds the bodies that are read. */
  bodies: Bodies;
  /** Where the parts of long lists are made. */
  places: ExecutionPlaces;
}

export interface RestLog {
  error(fields: Record<string, unknown>, message: string): void;
}

/** What comes with a request besides itself. */
export interface RestBindings {
  /** Cuts the connection that the request came by. */
  hangUp(): void;
}

/** What middleware leaves for the handlers. */
export interface RestEnv {
  Bindings: RestBindings;
  Variables: { viewer: Viewer; requestId: string; bodies: Bodies };
}
