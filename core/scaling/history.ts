import type { EntityData } from '@mikro-orm/core';
import { z } from 'zod';
import { ScalingEvent } from '../../db/entities/scaling-event.ts';
import type { ScalingRule } from '../../db/entities/scaling-rule.ts';
import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import { KEPT_EVENTS } from './turns.ts';

/** How many entries of the history may be asked for: all that are kept. */
export const historyLength = z.int().min(1).max(KEPT_EVENTS);

const decisionsStatement = statement<{ account_id: string; group_id: string; first: number }, EntityData<ScalingEvent>>(
  'scaling-decisions',
);

/** What was wanted and done for a rule that the asker may see, and how its queue changed, newest first. */
export function scalingHistory(
  core: Core,
  { accountId, containerGroupId }: ScalingRule,
  first: number,
): Promise<ScalingEvent[]> {
  return core.em
    .fork()
    .find(ScalingEvent, { rule: [accountId, containerGroupId] }, { orderBy: { id: 'desc' }, limit: first });
}

/** The same without what is of the queue alone, however much of that lies between. */
export async function scalingDecisions(
  core: Core,
  { accountId, containerGroupId }: ScalingRule,
  first: number,
): Promise<ScalingEvent[]> {
  const em = core.em.fork();
  const rows = await decisionsStatement(em, { account_id: accountId, group_id: containerGroupId, first });
  return rows.map((row) => em.map(ScalingEvent, row));
}
