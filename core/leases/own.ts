import { plainReader } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import type { Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';

/** A lease as a report names it: an agent's by the attempt's number, a polling worker's by its machine. The job's id is a UUID. */
export type NamedLease = { jobId: string; attempt: number } | { jobId: string; machineId: string };

const ownStatement = statement<
  { job_id: string; account_id: string; attempt: number | null; machine_id: string | null },
  { number: number }
>('own-lease');

/** Whether the viewer's account has such a lease; also one that ended within the hour, as reports may be late (rule 3), or be repeated. */
export async function isOwnLease(core: Core, { accountId }: Viewer, lease: NamedLease): Promise<boolean> {
  const rows = await ownStatement(plainReader(core), {
    ...{ job_id: lease.jobId, account_id: accountId },
    attempt: 'attempt' in lease ? lease.attempt : null,
    machine_id: 'machineId' in lease ? lease.machineId : null,
  });
  return rows.length > 0;
}
