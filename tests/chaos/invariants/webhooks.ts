import type { DeliveryRow, Facts, JobFacts, Receipt } from '../facts.ts';
import { CLOCK_MS, type Invariant } from './invariant.ts';

export const webhooksDelivered: Invariant = {
  holds: 'each webhook was delivered at least once',
  breaches: (facts) => facts.jobs.flatMap((job) => [...undue(job), ...undelivered(job, facts)]),
};

/** Exactly those that the events call for. */
function undue({ plan, events, deliveries }: JobFacts): string[] {
  const due = plan.webhook
    ? events.flatMap(({ type, attempt, data }) => {
        if (type === 'CLAIMED') return [`running ${String(attempt)} ${String(data['machineId'])}`];
        return type === 'COMPLETED' || type === 'FAILED' ? [`${type.toLowerCase()} ${String(attempt)}`] : [];
      })
    : [];
  const stored = deliveries.map(({ status, attempt, machineId }) =>
    status === 'running' ? `${status} ${attempt} ${String(machineId)}` : `${status} ${attempt}`,
  );
  const [a, b] = [due.toSorted().join(', '), stored.toSorted().join(', ')];
  return a === b ? [] : [`${plan.name} should have the webhooks ${a || 'none'}, it has ${b || 'none'}`];
}

function undelivered({ plan, row, deliveries }: JobFacts, { receipts }: Facts): string[] {
  const isReceived = (delivery: DeliveryRow) =>
    receipts.some(
      ({ jobId, status, machineId, accepted }) =>
        accepted && jobId === row.id && status === delivery.status && machineId === delivery.machineId,
    );
  return deliveries
    .filter((delivery) => !delivery.delivered || !isReceived(delivery))
    .map(({ status, attempt }) => `${plan.name}: "${status}" of attempt ${attempt} never arrived`);
}

export const webhooksTrue: Invariant = {
  holds: 'each webhook told something that was true',
  breaches: ({ jobs, receipts }) => {
    const byId = new Map(jobs.map((job) => [job.row.id, job]));
    return receipts.flatMap((receipt) => {
      const job = byId.get(receipt.jobId);
      if (job === undefined) return [`a webhook spoke of ${receipt.jobId}, which is no job of this run`];
      if (receipt.key === undefined) return [`${job.plan.name}: a webhook came without a key`];
      if (isTrue(job, receipt)) return [];
      return [`${job.plan.name}: a webhook said "${receipt.status}" on ${String(receipt.machineId)}, which was not so`];
    });
  },
};

function isTrue({ events, attempts }: JobFacts, receipt: Receipt): boolean {
  return events.some(({ type, attempt, at }) => {
    if (at > receipt.at + CLOCK_MS) return false;
    const machine = attempts.find(({ number }) => number === attempt)?.machineId;
    const says =
      type === 'CLAIMED' ? 'running' : type === 'COMPLETED' || type === 'FAILED' ? type.toLowerCase() : undefined;
    return says === receipt.status && machine === receipt.machineId;
  });
}
