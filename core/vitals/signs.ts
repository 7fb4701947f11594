import { statement } from '../../db/statement.ts';
import type { Core } from '../core.ts';
import type { Feed } from '../events/feed.ts';

/** What an installation has to do at one moment. Times are seconds, by the database's clock (rule 13). */
export interface VitalSigns {
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

/** What waits in one container group, or in several. */
export interface Waiting {
  pending: number;
  /** For how many seconds the job that was submitted first waits, since it last began to. */
  oldestSeconds: number;
  /** The same of queues in which nothing runs meanwhile; 0 where something does. */
  idleSeconds: number;
}

export interface Queues {
  /** The deepest, in no order. */
  named: (Waiting & { containerGroupId: string })[];
  /** Those that are too many to be named, all together. */
  others: Waiting & { groups: number };
}

interface Signs {
  live: number;
  overdue_seconds: number | null;
  pending: number;
  webhooks_overdue_seconds: number | null;
  event_lag_seconds: number;
}

const signsStatement = statement<{ xid: string; id: string }, Signs>('vital-signs');

/**
 * Reads the vital signs, over all accounts: for whoever runs the servers, and nobody else. The cost grows with what runs, not with what
 * waits or has ended.
 */
export async function readVitalSigns(core: Core & { readonly feed: Feed }): Promise<VitalSigns> {
  const [signs] = await signsStatement(core.em.fork(), core.feed.settledAt());
  if (signs === undefined) throw new Error('Expected a row of vital signs, got none');
  return {
    liveAttempts: signs.live,
    leaseOverdueSeconds: signs.overdue_seconds ?? 0,
    pendingWebhooks: signs.pending,
    webhookOverdueSeconds: signs.webhooks_overdue_seconds ?? 0,
    eventLagSeconds: signs.event_lag_seconds,
  };
}

const queuesStatement = statement<
  { most: number },
  { id: string | null; pending: number; oldest_seconds: number; idle_seconds: number; groups: number }
>('deepest-queues');

/**
 * Reads what waits, over all accounts. The cost grows with that.
 * @param mostNamed so many queues are named
 */
export async function readQueues(core: Core, { mostNamed }: { mostNamed: number }): Promise<Queues> {
  const rows = await queuesStatement(core.em.fork(), { most: mostNamed });
  const queues: Queues = { named: [], others: { groups: 0, pending: 0, oldestSeconds: 0, idleSeconds: 0 } };
  for (const { id, groups, pending, oldest_seconds: oldestSeconds, idle_seconds: idleSeconds } of rows) {
    const waiting = { pending, oldestSeconds, idleSeconds };
    if (id === null) queues.others = { groups, ...waiting };
    else queues.named.push({ containerGroupId: id, ...waiting });
  }
  return queues;
}
