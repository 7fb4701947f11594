import { allStates, checkpointName, checkpointStep, digest, outputsOf } from '../computation.ts';
import type { Facts, JobFacts, RecordEntry, Write } from '../facts.ts';
import type { Invariant } from './invariant.ts';

export const noDurableStepRedone: Invariant = {
  holds: 'no step before the last durable checkpoint was done again',
  breaches: ({ jobs, writes }) => {
    const byJob = Map.groupBy(writes, ({ key }) => key.split('/')[0] ?? '');
    return jobs.flatMap(({ plan, record, events }) => {
      const claimedAt = new Map(events.flatMap(({ type, attempt, at }) => (type === 'CLAIMED' ? [[attempt, at]] : [])));
      return record.flatMap((entry) => {
        if (entry.kind !== 'START') return [];
        const durable = durableStep(byJob.get(plan.name) ?? [], claimedAt.get(entry.attempt) ?? 0);
        if (entry.resumedFrom >= durable) return [];
        return [
          `${plan.name}, attempt ${entry.attempt} began after step ${entry.resumedFrom}, and ${durable} was saved`,
        ];
      });
    });
  },
};

/** The newest checkpoint that is in the bucket for certain at that time. */
function durableStep(writes: readonly Write[], at: number): number {
  const steps = new Set<number>([0]);
  for (const { kind, key, done, sentAt, answeredAt } of writes.toSorted((a, b) => a.sentAt - b.sentAt)) {
    const step = checkpointStep(key);
    if (step === undefined) continue;
    // Of a write whose answer came later nobody knows yet whether it counts: a deletion is believed, a checkpoint is not.
    if (kind === 'PUT' && done && answeredAt <= at) steps.add(step);
    if (kind === 'DELETE' && sentAt <= at) steps.delete(step);
  }
  return Math.max(...steps);
}

export const checkpointNeverMissing: Invariant = {
  holds: 'once there was a checkpoint in the bucket, there always was one',
  breaches: ({ jobs, writes }) => {
    const byJob = Map.groupBy(
      writes.filter(({ done }) => done),
      ({ key }) => key.split('/')[0] ?? '',
    );
    return jobs.flatMap(({ plan }) => {
      const steps = new Set<number>();
      return (byJob.get(plan.name) ?? [])
        .toSorted((a, b) => a.answeredAt - b.answeredAt)
        .flatMap(({ kind, key, accessKey }) => {
          const step = checkpointStep(key);
          if (step === undefined) return [];
          if (kind === 'PUT') steps.add(step);
          const wasLast = kind === 'DELETE' && steps.delete(step) && steps.size === 0;
          return wasLast ? [`${accessKey} deleted ${key}, the only checkpoint of ${plan.name}`] : [];
        });
    });
  },
};

export const stepsAreRight: Invariant = {
  holds: 'each attempt went on where its checkpoint ended, with the right state',
  breaches: ({ jobs }) =>
    jobs.flatMap(({ plan, record }) => {
      const states = allStates(plan.name, plan.steps);
      const byAttempt = Map.groupBy(record, ({ attempt }) => attempt);
      return [...byAttempt].flatMap(([attempt, entries]) =>
        missteps(entries, states).map((what) => `${plan.name}, attempt ${attempt}: ${what}`),
      );
    }),
};

function missteps(entries: readonly RecordEntry[], states: readonly string[]): string[] {
  let expected: number | undefined;
  return entries.flatMap((entry) => {
    if (entry.kind === 'START') {
      const again = expected === undefined ? [] : ['its command was started twice'];
      expected = entry.resumedFrom + 1;
      return [...again, ...entry.torn.map((name) => `it was given ${name}, which cannot be read`)];
    }
    if (entry.kind !== 'STEP') return [];
    const wanted = expected;
    expected = entry.step + 1;
    if (entry.step !== wanted) return [`step ${entry.step} came where ${String(wanted)} should have`];
    return entry.state === states[entry.step] ? [] : [`step ${entry.step} gave a wrong state`];
  });
}

export const objectsAreWhole: Invariant = {
  holds: 'no torn checkpoint was ever stored',
  breaches: ({ writes }: Facts) =>
    writes
      .filter(({ whole, done }) => done && whole === false)
      .map(({ accessKey, key }) => `${accessKey} stored a ${key} that cannot be read`),
};

export const outputsAreRight: Invariant = {
  holds: 'the results equal those of an uninterrupted computation',
  breaches: ({ jobs, objects }) =>
    completed(jobs).flatMap(({ plan }) => {
      const outputs = outputsOf(plan.name, plan.steps, allStates(plan.name, plan.steps).at(-1) ?? '');
      return Object.entries(outputs).flatMap(([name, content]) => {
        const found = objects.get(`${plan.name}/output/${name}`);
        if (found === digest(content)) return [];
        return [`${plan.name} completed, and its ${name} is ${found === undefined ? 'missing' : 'another'}`];
      });
    }),
};

/** What lay in the job's directories when its command ended is what must be in the bucket (rule 9). */
export const completedIsDurable: Invariant = {
  holds: 'nothing that completed lacks an object',
  breaches: ({ jobs, objects }) =>
    completed(jobs).flatMap(({ plan, attempts, record }) => {
      const attempt = attempts.find(({ outcome }) => outcome === 'COMPLETED')?.number;
      const done = record.find((entry) => entry.kind === 'DONE' && entry.attempt === attempt);
      if (done?.kind !== 'DONE')
        return [`${plan.name} completed, and attempt ${String(attempt)} never said that it was done`];
      const last = `checkpoints/${checkpointName(plan.steps)}`;
      return [
        ...(last in done.files ? [] : [`${plan.name} completed without its last checkpoint`]),
        ...Object.entries(done.files)
          .filter(([path, sum]) => objects.get(`${plan.name}/${path}`) !== sum)
          .map(([path]) => `${plan.name} completed, and ${path} is not in the bucket as it was on the machine`),
      ];
    }),
};

function completed(jobs: readonly JobFacts[]): JobFacts[] {
  return jobs.filter(({ row }) => row.status === 'COMPLETED');
}
