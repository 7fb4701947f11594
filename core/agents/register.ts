import { z } from 'zod';
import { Agent } from '../../db/entities/agent.ts';
import { demand, type Viewer } from '../accounts/keys.ts';
import { transact, type Core } from '../core.ts';
import { NotFoundError } from '../errors.ts';
import { containerGroupId, machineId, text } from '../jobs/fields.ts';

/** What an agent says of itself when it connects. `sessionId` is random per process, and stays the same over reconnections. */
export const registrationSchema = z.strictObject({
  machineId,
  containerGroupId,
  sessionId: z.uuid({ error: 'Expected a UUID, made anew by each agent process' }),
  version: text({ max: 100 })
    .nullish()
    .transform((version) => version ?? null),
  hardware: z
    .record(text({ max: 100 }), z.unknown())
    .refine((hardware) => JSON.stringify(hardware).length <= 20_000, {
      error: 'Expected at most 20,000 characters of JSON',
    })
    .nullish()
    .transform((hardware) => hardware ?? null),
});
export type Registration = z.output<typeof registrationSchema>;

/** Makes an agent known, or finds the one of the same session again after a reconnection. */
export async function registerAgent(core: Core, viewer: Viewer, registration: Registration): Promise<Agent> {
  demand(viewer, 'work');
  return transact(core, (em) =>
    em.upsert(
      Agent,
      { ...registration, accountId: viewer.accountId, lastSeenAt: new Date() },
      { onConflictFields: ['accountId', 'sessionId'] },
    ),
  );
}

/** @throws NotFoundError when the account has no such agent: it should register again */
export async function findAgent(core: Core, viewer: Viewer, id: string): Promise<Agent> {
  demand(viewer, 'work');
  const known = z.uuid().safeParse(id).success;
  const agent = known ? await core.em.fork().findOne(Agent, { id, accountId: viewer.accountId }) : null;
  if (agent) return agent;
  throw new NotFoundError(`There is no agent ${id} in this account: register it first, with a key of the account`);
}
