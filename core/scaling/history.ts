import { z } from 'zod';
import { ScalingEvent } from '../../db/entities/scaling-event.ts';
import type { ScalingRule } from '../../db/entities/scaling-rule.ts';
import type { Core } from '../core.ts';
import { KEPT_EVENTS } from './turns.ts';

/** How many entries of the history may be asked for: all that are kept. */
export const historyLength = z.int().min(1).max(KEPT_EVENTS);

/** What was wanted and done for a rule that the asker may see, newest first. */
export function scalingHistory(
  core: Core,
  { accountId, containerGroupId }: ScalingRule,
  first: number,
): Promise<ScalingEvent[]> {
  return core.em
    .fork()
    .find(ScalingEvent, { rule: [accountId, containerGroupId] }, { orderBy: { id: 'desc' }, limit: first });
}
