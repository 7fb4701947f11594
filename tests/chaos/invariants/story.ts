import { differs, tell } from '../../support/told.ts';
import type { JobFacts } from '../facts.ts';
import type { Invariant } from './invariant.ts';

export const eventsContiguous: Invariant = {
  holds: 'the events of each job are numbered without a gap',
  breaches: ({ jobs }) =>
    jobs.flatMap(({ plan, events }) =>
      events
        .filter(({ seq }, index) => seq !== index + 1)
        .slice(0, 1)
        .map(({ seq }) => `${plan.name} has no event ${seq - 1}, or two`),
    ),
};

export const eventsTellTheRows: Invariant = {
  holds: 'the events tell the same story as the rows',
  breaches: ({ jobs }) => jobs.flatMap((job) => disagreements(job).map((fault) => `${job.plan.name}: ${fault}`)),
};

function disagreements({ row, attempts, events }: JobFacts): string[] {
  const told = tell(events);
  return [
    ...told.oddities,
    ...differs('status', row.status, told.status),
    ...differs('attempt', row.attemptNumber, told.attempt),
    ...differs('failures', row.numFailures, told.failures),
    ...differs('interruptions', row.numInterruptions, told.interruptions),
    ...differs('sync failures', row.numSyncFailures, told.syncFailures),
    ...attempts.flatMap(({ number, outcome, machineId }) => [
      ...differs(`outcome of attempt ${number}`, outcome, told.outcomes.get(number)),
      ...differs(`machine of attempt ${number}`, machineId, told.machines.get(number)),
    ]),
  ];
}
