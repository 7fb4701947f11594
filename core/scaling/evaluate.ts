/** What a group's queue looks like at one instant. */
export interface Queue {
  pending: number;
  running: number;
  /** Jobs that some machine worked on and that ended within the rule's `idleThresholdSeconds`: they keep machines warm. */
  ended: number;
  /** Idle machines that get none of the pending jobs: banned from them all, or from too many (rule 5). */
  barred: number;
  /** Whether there are more pending jobs than were counted: a backlog is not counted to its end. */
  hasMore: boolean;
}

/** What a rule allows. */
export interface Terms {
  minReplicas: number;
  maxReplicas: number;
  /** Seconds. */
  idleThresholdSeconds: number;
}

/** How many replicas a group should have, and why, for a person. */
export interface Decision {
  wanted: number;
  reason: string;
}

/**
 * As many replicas as there is work, or was a short while ago, within the rule's bounds; 0 means that the group is to be stopped. Idle
 * machines that get none of the pending jobs do not serve them, so others are wanted besides; but they are themselves what is kept warm.
 */
export function evaluate(terms: Terms, queue: Queue): Decision {
  const { minReplicas, maxReplicas } = terms;
  const needed = queue.running + queue.pending + Math.max(queue.ended, queue.barred);
  const why = reasonOf(terms, queue);
  if (needed > maxReplicas || (queue.hasMore && needed === maxReplicas)) {
    const from = queue.hasMore ? `at least ${needed}` : `${needed}`;
    return { wanted: maxReplicas, reason: `${maxReplicas} = clamped from ${from} by max_replicas (${why})` };
  }
  if (needed < minReplicas) {
    return { wanted: minReplicas, reason: `${minReplicas} = raised from ${needed} by min_replicas (${why})` };
  }
  return { wanted: needed, reason: `${needed} = ${why}` };
}

function reasonOf({ idleThresholdSeconds }: Terms, { pending, running, ended, barred, hasMore }: Queue): string {
  const parts = [
    running > 0 ? `${running} running` : undefined,
    pending > 0 ? `${pending}${hasMore ? ' or more' : ''} pending` : undefined,
    ended > 0 && ended >= barred ? `${ended} ended within ${idleThresholdSeconds} s` : undefined,
    barred > ended ? `${barred} idle but banned from all that is pending` : undefined,
  ].filter((part) => part !== undefined);
  return parts.length > 0 ? parts.join(' + ') : `nothing pending, running or ended within ${idleThresholdSeconds} s`;
}

/** What is to be done at the provider, in this order. */
export type Step = { do: 'start' } | { do: 'stop' } | { do: 'setReplicas'; count: number };

/**
 * The steps from what a group is to what it should be. A group that is stopped is given its size before it is started, so that it
 * never runs with an old one.
 */
export function plan(wanted: number, group: { status: 'RUNNING' | 'STOPPED'; replicas: number }): Step[] {
  const isStopped = group.status === 'STOPPED';
  if (wanted === 0) return isStopped ? [] : [{ do: 'stop' }];
  const steps: Step[] = [];
  if (group.replicas !== wanted) steps.push({ do: 'setReplicas', count: wanted });
  if (isStopped) steps.push({ do: 'start' });
  return steps;
}
