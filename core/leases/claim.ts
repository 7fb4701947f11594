import { Job } from '../../db/entities/job.ts';
import { statement } from '../../db/statement.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import type { EntityData } from '@mikro-orm/core';

const claimStatement = statement<
  { account_id: string; container_group_id: string; machine_id: string; agent_id: string | null },
  EntityData<Job>
>('claim-job');

/** Who asks for work: an agent has a session, a polling worker has none. */
export interface Claimant {
  machineId: string;
  containerGroupId: string;
  agentId: string | null;
}

/**
 * The next job for a machine, running from now on under a lease of its own; undefined when there is none for it (rule 6).
 * One statement, its own transaction.
 */
export async function claimJob(core: Core, viewer: Viewer, claimant: Claimant): Promise<Job | undefined> {
  demand(viewer, 'work');
  const em = core.em.fork();
  const [row] = await claimStatement(em, {
    account_id: viewer.accountId,
    container_group_id: claimant.containerGroupId,
    machine_id: claimant.machineId,
    agent_id: claimant.agentId,
  });
  if (row === undefined) return undefined;
  core.announce();
  return em.map(Job, row);
}
