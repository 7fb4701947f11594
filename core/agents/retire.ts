import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';

interface RetireParameters {
  account_id: string;
  group_id: string;
  machine_ids: readonly string[];
  count: number;
}

const retireStatement = statement<{ [name in keyof RetireParameters]: RetireParameters[name] }, { machine_id: string }>(
  'retire-agents',
);

/**
 * Lets `count` of the agents on these machines leave once they have nothing to do, idle ones first. Unlike one that is drained, a
 * retiring agent finishes the job that it has.
 * @returns the machines whose agents retire: fewer where agents have not registered yet
 */
export async function retireAgents(
  core: Core,
  group: { accountId: string; containerGroupId: string },
  machineIds: readonly string[],
  count: number,
): Promise<string[]> {
  const rows = await retireStatement(core.em.fork(), {
    account_id: group.accountId,
    group_id: group.containerGroupId,
    machine_ids: machineIds,
    count,
  });
  return rows.map((row) => row.machine_id);
}
