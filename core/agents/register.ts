import type { EntityData } from '@mikro-orm/core';
import { z } from 'zod';
import { Agent } from '../../db/entities/agent.ts';
import { statement } from '../../db/statement.ts';
import { demand, demandBound, type Viewer } from '../accounts/keys.ts';
import type { Core } from '../core.ts';
import { NotFoundError, RateLimitedError } from '../errors.ts';
import { containerGroupId, machineId, text } from '../jobs/fields.ts';
import { SEEN_EVERY_SECONDS } from './alive.ts';
import { hardwareSchema } from './hardware.ts';

/** What an agent says of itself when it connects. `sessionId` is random per process, and stays the same over reconnections. */
export const registrationSchema = z.strictObject({
  machineId,
  containerGroupId,
  sessionId: z.uuid({ error: 'Expected a UUID, made anew by each agent process' }),
  version: text({ max: 100 })
    .nullish()
    .transform((version) => version ?? null),
  hardware: hardwareSchema.nullish().transform((hardware) => hardware ?? null),
});
export type Registration = z.output<typeof registrationSchema>;

interface RegisterParameters {
  account_id: string;
  machine_id: string;
  container_group_id: string;
  session_id: string;
  version: string | null;
  hardware: Record<string, unknown> | null;
  /** Whether one that is not known may become so. */
  may_come: boolean;
  seen_every_seconds: number;
}

const registerStatement = statement<
  { [name in keyof RegisterParameters]: RegisterParameters[name] },
  EntityData<Agent> & { is_new: boolean }
>('register-agent');

/**
 * Makes an agent known, or finds the one of the same session again after a reconnection.
 * @throws ForbiddenError when the credentials are another machine's
 * @throws RateLimitedError when the account has brought too many that are new
 */
export async function registerAgent(core: Core, viewer: Viewer, registration: Registration): Promise<Agent> {
  demand(viewer, 'work');
  demandBound(viewer, registration);
  const em = core.em.fork();
  const waitSeconds = core.newcomers.waitSeconds(viewer.accountId);
  const [row] = await registerStatement(em, {
    account_id: viewer.accountId,
    machine_id: registration.machineId,
    container_group_id: registration.containerGroupId,
    session_id: registration.sessionId,
    version: registration.version,
    hardware: registration.hardware,
    may_come: waitSeconds === 0,
    seen_every_seconds: SEEN_EVERY_SECONDS,
  });
  if (row === undefined) throw tooMany(waitSeconds);
  const { is_new: isNew, ...agent } = row;
  if (isNew) core.newcomers.came(viewer.accountId);
  return em.map(Agent, agent);
}

function tooMany(waitSeconds: number): RateLimitedError {
  const advice = 'Keep the sessionId over reconnections, and come back later.';
  return new RateLimitedError(`Expected fewer new agents of one account in so short a time. ${advice}`, waitSeconds);
}

/**
 * @throws NotFoundError when the account has no such agent: it should register again
 * @throws ForbiddenError when the credentials are another machine's
 */
export async function findAgent(core: Core, viewer: Viewer, id: string): Promise<Agent> {
  const known = z.uuid().safeParse(id).success;
  const agent = known ? await core.agentById(id) : undefined;
  if (agent?.accountId === viewer.accountId) {
    demandBound(viewer, agent);
    return agent;
  }
  throw new NotFoundError(`There is no agent ${id} in this account: register it first, with a key of the account`);
}
