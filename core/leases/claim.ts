import type { EntityData } from '@mikro-orm/core';
import { Attempt } from '../../db/entities/attempt.ts';
import { Job } from '../../db/entities/job.ts';
import type { EntityManager } from '../../db/orm.ts';
import { statement } from '../../db/statement.ts';
import { demand, demandBound, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { BANS_TO_REALLOCATE } from '../jobs/bans.ts';

interface ClaimParameters {
  account_id: string;
  container_group_id: string;
  machine_id: string;
  agent_id: string | null;
  claim_id: string | null;
  bans_to_reallocate: number;
}

const claimStatement = statement<{ [name in keyof ClaimParameters]: ClaimParameters[name] }, EntityData<Job>>(
  'claim-job',
);

/** Who asks for work: an agent has a session, a polling worker has none. */
export interface Claimant {
  machineId: string;
  containerGroupId: string;
  agentId: string | null;
  /** Chosen by an agent for each claim: asked for again, it is the same claim as long as its attempt lives. */
  claimId?: string | undefined;
}

/**
 * The next job for a machine, running from now on under a lease of its own; undefined when there is none for it (rule 6).
 * One statement, its own transaction.
 */
export async function claimJob(core: Core, viewer: Viewer, claimant: Claimant): Promise<Job | undefined> {
  demand(viewer, 'work');
  demandBound(viewer, claimant);
  const em = core.em.fork();
  const earlier = await earlierClaim(em, viewer, claimant);
  if (earlier?.outcome === null) return em.findOneOrFail(Job, { id: earlier.jobId });
  const [row] = await claimStatement(em, {
    account_id: viewer.accountId,
    container_group_id: claimant.containerGroupId,
    machine_id: claimant.machineId,
    agent_id: claimant.agentId,
    // What it once took has ended meanwhile: this is a new claim, which can no longer be told from that one by its id.
    claim_id: earlier === null ? (claimant.claimId ?? null) : null,
    bans_to_reallocate: BANS_TO_REALLOCATE,
  });
  if (row === undefined) return undefined;
  core.announce();
  return em.map(Job, row);
}

/** The answer to this very claim may have been lost with its connection: then the job that it took is given again. */
async function earlierClaim(em: EntityManager, viewer: Viewer, claimant: Claimant): Promise<Attempt | null> {
  if (claimant.agentId === null || claimant.claimId === undefined) return null;
  return em.findOne(Attempt, {
    accountId: viewer.accountId,
    agentId: claimant.agentId,
    claimId: claimant.claimId,
  });
}
