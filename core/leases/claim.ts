import { Job } from '../../db/entities/job.ts';
import { plainReader, plainRows, type Row } from '../../db/plain.ts';
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

/** Without a job, its columns are null. */
const claimStatement = statement<
  { [name in keyof ClaimParameters]: ClaimParameters[name] },
  Row & { is_barred: boolean; id: string | null }
>('claim-job');

/** Who asks for work: an agent has a session, a polling worker has none. */
export interface Claimant {
  machineId: string;
  containerGroupId: string;
  agentId: string | null;
  /** Chosen by an agent for each claim: asked for again, it is the same claim as long as its attempt lives. */
  claimId?: string | undefined;
}

export interface Claimed {
  job: Job | undefined;
  /** Whether the machine is banned from so many jobs that it gets none whatever comes. */
  isBarred: boolean;
}

/** The next job for a machine, running from now on under a lease of its own; undefined when there is none for it (rule 6). */
export async function claimJob(core: Core, viewer: Viewer, claimant: Claimant): Promise<Job | undefined> {
  return (await askForJob(core, viewer, claimant)).job;
}

/** The same, telling why there is none. One statement, its own transaction. */
export async function askForJob(core: Core, viewer: Viewer, claimant: Claimant): Promise<Claimed> {
  demand(viewer, 'work');
  demandBound(viewer, claimant);
  const askedAt = new Date();
  const em = plainReader(core);
  const [row] = await claimStatement(em, {
    account_id: viewer.accountId,
    container_group_id: claimant.containerGroupId,
    machine_id: claimant.machineId,
    agent_id: claimant.agentId,
    claim_id: claimant.claimId ?? null,
    bans_to_reallocate: BANS_TO_REALLOCATE,
  });
  if (row === undefined) throw new Error('A claim was answered with nothing');
  const { is_barred: isBarred } = row;
  if (row.id === null) return { job: undefined, isBarred };
  core.announce();
  const [job] = plainRows(em, Job, [row]);
  if (job !== undefined) core.traces.claimed(job, askedAt);
  return { job, isBarred };
}
