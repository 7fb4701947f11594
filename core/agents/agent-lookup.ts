import { Agent } from '../../db/entities/agent.ts';
import { plainReader, plainRows, type Owner, type Row } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import { inRounds } from '../../lib/rounds.ts';

const byIdStatement = statement<{ ids: readonly string[] }, Row>('agents-by-id');

/** Finds agents by their ids, which are UUIDs, whosever they are; undefined for one that is not known. */
export type AgentLookup = (id: string) => Promise<Agent | undefined>;

/** Each agent is looked up when it connects and whenever it asks for work, and all may do so at once: one statement for many. */
export function createAgentLookup(owner: Owner): AgentLookup {
  return inRounds(async (ids: string[]) => {
    const reader = plainReader(owner);
    const agents = plainRows(reader, Agent, await byIdStatement(reader, { ids: [...new Set(ids)] }));
    const byId = new Map(agents.map((agent) => [agent.id, agent]));
    return ids.map((id) => byId.get(id.toLowerCase()));
  });
}
