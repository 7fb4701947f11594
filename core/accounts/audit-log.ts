import { AuditEvent } from '../../db/entities/audit-event.ts';
import type { Core } from '../core.ts';
import type { NumberSlice } from '../jobs/find.ts';
import { demand, type Viewer } from './keys.ts';

/** What was done in the viewer's account, by position; the admin's is everybody's. */
export async function listAuditEvents(core: Core, viewer: Viewer, slice: NumberSlice): Promise<AuditEvent[]> {
  demand(viewer, 'manage');
  return core.em.fork().find(
    AuditEvent,
    {
      ...(viewer.isAdmin ? {} : { accountId: viewer.accountId }),
      position: { $gt: String(slice.after ?? -1), ...(slice.before !== undefined && { $lt: String(slice.before) }) },
    },
    { orderBy: { position: slice.descending ? 'desc' : 'asc' }, limit: slice.limit },
  );
}
