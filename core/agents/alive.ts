import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

const seeAgentStatement = statement<{ agent_id: string; seen_every_seconds: number }, { id: string }>('see-agent');
const seeWorkerStatement = statement<
  {
    account_id: string;
    machine_id: string;
    container_group_id: string;
    seen_every_seconds: number;
    may_come: boolean;
  },
  { id: string; is_new: boolean }
>('see-worker');

/** An agent of which nothing was heard for so long, and which holds no lease, is gone. */
export const GONE_AFTER_SECONDS = 30;
/** However often somebody asks, it is written down this often: well within the above. */
export const SEEN_EVERY_SECONDS = 10;

/** A polling worker, as its requests name it. */
export interface WorkerName {
  accountId: string;
  machineId: string;
  containerGroupId: string;
}

/** Writes down a sign of life of an agent that no server may be connected to. */
export async function seeAgent(core: Core, agentId: string): Promise<void> {
  const parameters = { agent_id: agentId, seen_every_seconds: SEEN_EVERY_SECONDS };
  await seeAgentStatement(core.em.fork(), parameters);
}

/** The same of a polling worker, which becomes known by it; not where its account has brought too many that are new. */
export async function seeWorker(core: Core, worker: WorkerName): Promise<void> {
  const [seen] = await seeWorkerStatement(core.em.fork(), {
    account_id: worker.accountId,
    machine_id: worker.machineId,
    container_group_id: worker.containerGroupId,
    seen_every_seconds: SEEN_EVERY_SECONDS,
    may_come: core.newcomers.waitSeconds(worker.accountId) === 0,
  });
  if (seen?.is_new === true) core.newcomers.came(worker.accountId);
}
