import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import type { Feed } from '../events/feed.ts';

/** What an installation has to do at one moment. Times are seconds, by the database's clock (rule 13). */
export interface VitalSigns {
  /** Container groups in which jobs wait, the deepest queues first. */
  queues: { containerGroupId: string; pending: number; oldestSeconds: number }[];
  /** What waits in the groups that are too many to be named, all together. */
  others: { groups: number; pending: number; oldestSeconds: number };
  /** Attempts that live. */
  liveAttempts: number;
  /** For how long the first lease that ran out has not been noticed; 0 when all were. */
  leaseOverdueSeconds: number;
  /** Webhooks that are neither delivered nor given up. */
  pendingWebhooks: number;
  /** For how long the first of them is due; 0 when none is. */
  webhookOverdueSeconds: number;
  /** The age of the oldest event that this server has not handed out in order yet; 0 when it has all. */
  eventLagSeconds: number;
}

interface Signs {
  live: number;
  overdue_seconds: number | null;
  pending: number;
  webhooks_overdue_seconds: number | null;
  event_lag_seconds: number;
}

const queuesStatement = statement<
  { most: number },
  { id: string | null; pending: number; oldest_seconds: number; groups: number }
>('deepest-queues');
const signsStatement = statement<{ xid: string; id: string }, Signs>('vital-signs');

/**
 * Reads the vital signs, over all accounts: for whoever runs the servers, and nobody else. The cost grows with what waits and runs, not
 * with what has ended.
 * @param mostQueues so many queues are named
 */
export async function readVitalSigns(
  core: Core & { readonly feed: Feed },
  { mostQueues }: { mostQueues: number },
): Promise<VitalSigns> {
  const em = core.em.fork();
  const queues = await queuesStatement(em, { most: mostQueues });
  const [signs] = await signsStatement(em, core.feed.settledAt());
  if (signs === undefined) throw new Error('Expected a row of vital signs, got none');
  const named = queues.flatMap(({ id, pending, oldest_seconds: oldestSeconds }) =>
    id === null ? [] : [{ containerGroupId: id, pending, oldestSeconds }],
  );
  const others = queues.find(({ id }) => id === null);
  return {
    queues: named,
    others: {
      groups: others?.groups ?? 0,
      pending: others?.pending ?? 0,
      oldestSeconds: others?.oldest_seconds ?? 0,
    },
    liveAttempts: signs.live,
    leaseOverdueSeconds: signs.overdue_seconds ?? 0,
    pendingWebhooks: signs.pending,
    webhookOverdueSeconds: signs.webhooks_overdue_seconds ?? 0,
    eventLagSeconds: signs.event_lag_seconds,
  };
}
