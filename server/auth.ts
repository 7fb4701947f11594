import { authenticate, type Viewer } from '../core/accounts/keys.ts';
import type { Core } from '../core/core.ts';
import { ForbiddenError, UnauthenticatedError } from '../core/errors.ts';

export const KEY_HEADER = 'X-Kelpie-Key';

/**
 * Who asks, by the key that was presented.
 * @throws UnauthenticatedError without a key
 * @throws ForbiddenError with one that is unknown, revoked or expired: the three look the same
 */
export async function viewerOf(core: Core, key: string | null | undefined): Promise<Viewer> {
  if (key === null || key === undefined || key === '') {
    throw new UnauthenticatedError(`Expected an API key in the header ${KEY_HEADER}, got none`);
  }
  const viewer = await authenticate(core, key);
  if (viewer === undefined) throw new ForbiddenError(`The API key in ${KEY_HEADER} is unknown, revoked or expired`);
  return viewer;
}
