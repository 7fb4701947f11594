import { Attempt } from '../../db/entities/attempt.ts';
import { demand, demandBound, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import type { LeaseRef } from './terms.ts';

/**
 * That the viewer may act under a lease: it may work, and, where its credentials are a machine's own, the attempt is that
 * machine's. An attempt never changes its machine, so looking beforehand is enough; one that is not there is the fence's to refuse.
 * @throws ForbiddenError
 */
export async function demandLease(core: Core, viewer: Viewer, lease: LeaseRef): Promise<void> {
  demand(viewer, 'work');
  if (viewer.bound === undefined) return;
  const attempt = await core.em
    .fork()
    .findOne(Attempt, { jobId: lease.jobId, number: lease.attempt, accountId: viewer.accountId });
  if (attempt) demandBound(viewer, attempt);
}
