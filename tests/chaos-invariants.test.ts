import { describe, expect, test } from 'vitest';
import { allStates, checkpointName, digest, outputsOf } from './chaos/computation.ts';
import type { AttemptRow, EventRow, Facts, JobFacts, Receipt, RecordEntry, Write } from './chaos/facts.ts';
import { invariants } from './chaos/invariants/index.ts';
import { judge } from './chaos/report.ts';

const STEPS = 4;
const NAME = 'job-0000';
const ID = 'id of job-0000';
const STATES = allStates(NAME, STEPS);

/** Two attempts: the first was lost after its checkpoint of step 2, the second went on from there and completed. */
function healthy(): Facts & { job: JobFacts } {
  const outputs = outputsOf(NAME, STEPS, STATES[STEPS] ?? '');
  const files = {
    [`checkpoints/${checkpointName(4)}`]: 'digest of 4',
    ...Object.fromEntries(Object.entries(outputs).map(([name, content]) => [`output/${name}`, digest(content)])),
  };
  const job: JobFacts = {
    plan: {
      ...{ name: NAME, steps: STEPS, stepMs: 10, checkpointEvery: 2, checkpointBytes: 10, compression: false },
      ...{ heartbeatInterval: 2, webhook: true, failing: undefined, maxFailures: 1, onTerm: 'DIES', cancel: undefined },
    },
    row: {
      ...{ id: ID, status: 'COMPLETED', statusReason: null, attemptNumber: 2 },
      ...{ numFailures: 0, numInterruptions: 1, numSyncFailures: 0, completedAt: 900 },
    },
    attempts: [attempt(1, 'LOST', 100, 400), attempt(2, 'COMPLETED', 500, 900)],
    events: [
      event(1, 'SUBMITTED', null, 50),
      event(2, 'CLAIMED', 1, 100, { machineId: 'machine-1', agentId: 'agent-1' }),
      event(3, 'PHASE_CHANGED', 1, 110, { phase: 'RUNNING' }),
      event(4, 'ATTEMPT_ENDED', 1, 400, { outcome: 'LOST', status: 'PENDING' }),
      event(5, 'CLAIMED', 2, 500, { machineId: 'machine-2', agentId: 'agent-2' }),
      event(6, 'PHASE_CHANGED', 2, 510, { phase: 'RUNNING' }),
      event(7, 'ATTEMPT_ENDED', 2, 900, { outcome: 'COMPLETED', status: 'COMPLETED' }),
      event(8, 'COMPLETED', 2, 900),
    ],
    deliveries: [
      { attempt: 1, status: 'running', machineId: 'machine-1', delivered: true },
      { attempt: 2, status: 'running', machineId: 'machine-2', delivered: true },
      { attempt: 2, status: 'completed', machineId: 'machine-2', delivered: true },
    ],
    record: [
      { kind: 'START', resumedFrom: 0, torn: [], attempt: 1, at: 120 },
      step(1, 1),
      step(1, 2),
      step(1, 3),
      { kind: 'START', resumedFrom: 2, torn: [], attempt: 2, at: 520 },
      step(2, 3),
      step(2, 4),
      { kind: 'DONE', files, attempt: 2, at: 800 },
    ],
    cancel: undefined,
  };
  return {
    job,
    jobs: [job],
    agents: [agent(1), agent(2)],
    writes: [
      write('key-1', 'PUT', checkpointName(2), 200),
      write('key-2', 'PUT', checkpointName(4), 700),
      write('key-2', 'DELETE', checkpointName(2), 710),
      ...Object.keys(outputs).map((name) => ({ ...write('key-2', 'PUT', name, 820), key: `${NAME}/output/${name}` })),
    ],
    objects: new Map(Object.entries(files).map(([path, sum]) => [`${NAME}/${path}`, sum])),
    receipts: [
      receipt('running', 'machine-1', 105),
      receipt('running', 'machine-2', 505),
      receipt('completed', 'machine-2', 905),
    ],
    reports: [{ jobId: ID, attempt: 1, verb: 'completeAttempt', expected: 'LeaseLost', answer: 'LeaseLost' }],
    faults: [
      { kind: 'AGENT_KILLED', slot: 1, backAfterMs: 0, newMachine: true, at: 210, accessKey: 'key-1', skipped: false },
    ],
    deaths: [],
  };
}

function attempt(number: number, outcome: AttemptRow['outcome'], startedAt: number, endedAt: number): AttemptRow {
  return {
    ...{ number, outcome, startedAt, endedAt, reason: null },
    ...{ machineId: `machine-${number}`, agentId: `agent-${number}` },
  };
}

function event(seq: number, type: EventRow['type'], number: number | null, at: number, data = {}): EventRow {
  return { seq, type, attempt: number, at, data };
}

function step(number: number, reached: number): RecordEntry {
  return { kind: 'STEP', step: reached, state: STATES[reached] ?? '', attempt: number, at: 0 };
}

function write(accessKey: string, kind: Write['kind'], name: string, sentAt: number): Write {
  return {
    ...{ accessKey, kind, begunAt: sentAt, sentAt, answeredAt: sentAt + 5, done: true },
    ...{ key: `${NAME}/checkpoints/${name}`, whole: kind === 'PUT' ? true : undefined },
  };
}

function receipt(status: string, machineId: string, at: number): Receipt {
  return { jobId: ID, status, machineId, key: 'secret', at, accepted: true };
}

function agent(slot: number) {
  return { accessKey: `key-${slot}`, slot, machineId: `machine-${slot}`, agentId: `agent-${slot}` };
}

function broken(facts: Facts): string[] {
  return invariants.filter((each) => each.breaches(facts).length > 0).map(({ holds }) => holds);
}

test('a run that went as it should breaks nothing', () => {
  expect(judge(healthy()).invariants.flatMap(({ breaches }) => breaches)).toEqual([]);
});

test('the report tells how long the loss of an agent went unnoticed, and its job stood still', () => {
  const quantiles = { n: 1, p50: 0.19, p95: 0.19, max: 0.19 };
  const again = { n: 1, p50: 0.3, p95: 0.3, max: 0.3 };
  expect(judge(healthy()).recovery).toEqual({ AGENT_KILLED: { noticed: quantiles, runningAgain: again } });
});

type Damage = (facts: ReturnType<typeof healthy>) => void;

const damages: [string, string, Damage][] = [
  ['a job that still waits', 'every job ended, the way it should', ({ job }) => (job.row.status = 'PENDING')],
  [
    'a job that spent a budget it should not have',
    'every job ended, the way it should',
    ({ job }) => (job.row.status = 'FAILED'),
  ],
  [
    'a second completion',
    'what completed did so exactly once, and never changed after',
    ({ job }) => job.events.push(event(9, 'COMPLETED', 2, 950)),
  ],
  [
    'an event after the completion',
    'what completed did so exactly once, and never changed after',
    ({ job }) => job.events.push(event(9, 'PROGRESSED', 2, 950)),
  ],
  [
    'a claim while an attempt lives',
    'at most one attempt of a job lived at any time',
    ({ job }) => void job.events.splice(3, 1),
  ],
  [
    'an attempt that ended after the next had begun',
    'at most one attempt of a job lived at any time',
    ({ job }) => (job.attempts[0]!.endedAt = 700),
  ],
  ['a missing attempt', 'attempts are numbered 1, 2, 3 …', ({ job }) => void job.attempts.shift()],
  [
    'a zombie that overwrites a checkpoint',
    'no attempt wrote to the bucket in the time of another',
    ({ writes }) => writes.push(write('key-1', 'PUT', checkpointName(3), 600)),
  ],
  [
    'a zombie that deletes a checkpoint',
    'no attempt wrote to the bucket in the time of another',
    ({ writes }) => writes.push(write('key-1', 'DELETE', checkpointName(2), 600)),
  ],
  [
    'a write after the completion',
    'no attempt wrote to the bucket in the time of another',
    ({ writes }) => writes.push(write('key-2', 'PUT', checkpointName(4), 950)),
  ],
  [
    'a write of somebody who never had the job',
    'no attempt wrote to the bucket in the time of another',
    ({ writes }) => writes.push(write('key-3', 'PUT', checkpointName(4), 600)),
  ],
  [
    'a start from nothing although there was a checkpoint',
    'no step before the last durable checkpoint was done again',
    ({ job }) => (job.record[4] = { kind: 'START', resumedFrom: 0, torn: [], attempt: 2, at: 520 }),
  ],
  [
    'a step that was left out',
    'each attempt went on where its checkpoint ended, with the right state',
    ({ job }) => void job.record.splice(5, 1),
  ],
  [
    'a step from a wrong state',
    'each attempt went on where its checkpoint ended, with the right state',
    ({ job }) => (job.record[6] = { kind: 'STEP', step: 4, state: 'another', attempt: 2, at: 0 }),
  ],
  [
    'a torn checkpoint that a job was given',
    'each attempt went on where its checkpoint ended, with the right state',
    ({ job }) => (job.record[4] = { kind: 'START', resumedFrom: 2, torn: ['x'], attempt: 2, at: 520 }),
  ],
  ['a torn checkpoint', 'no torn checkpoint was ever stored', ({ writes }) => (writes[0]!.whole = false)],
  [
    'a moment without any checkpoint',
    'once there was a checkpoint in the bucket, there always was one',
    ({ writes }) => writes.splice(1, 0, write('key-1', 'DELETE', checkpointName(2), 300)),
  ],
  [
    'a result that is not that of an uninterrupted run',
    'the results equal those of an uninterrupted computation',
    ({ objects }) => objects.set(`${NAME}/output/result.json`, 'another'),
  ],
  [
    'a last checkpoint that is not in the bucket',
    'nothing that completed lacks an object',
    ({ objects }) => objects.delete(`${NAME}/checkpoints/${checkpointName(4)}`),
  ],
  [
    'a completion of a command that was not done',
    'nothing that completed lacks an object',
    ({ job }) => void job.record.pop(),
  ],
  [
    'a failure that the job did not mean',
    'no interruption was counted as a failure',
    ({ job }) => (job.attempts[0]!.outcome = 'FAILED'),
  ],
  [
    'a failure too many in the count',
    'no interruption was counted as a failure',
    ({ job }) => (job.row.numFailures = 1),
  ],
  [
    'a cancel that was confirmed and forgotten',
    'a cancel that was confirmed held, and one that was refused had no effect',
    ({ job }) => (job.cancel = 'CANCELED'),
  ],
  [
    'a stale report that was believed',
    'reports for attempts that were over changed nothing',
    ({ reports }) => (reports[0]!.answer = 'Job'),
  ],
  ['a gap in the events', 'the events of each job are numbered without a gap', ({ job }) => (job.events[7]!.seq = 9)],
  [
    'an interruption that no event tells of',
    'the events tell the same story as the rows',
    ({ job }) => (job.row.numInterruptions = 2),
  ],
  [
    'an attempt on another machine than was told',
    'the events tell the same story as the rows',
    ({ job }) => (job.attempts[0]!.machineId = 'machine-9'),
  ],
  ['a webhook that never arrived', 'each webhook was delivered at least once', ({ receipts }) => void receipts.pop()],
  [
    'a webhook that was only answered with an error',
    'each webhook was delivered at least once',
    ({ receipts }) => (receipts[2]!.accepted = false),
  ],
  [
    'a completion without a webhook',
    'each webhook was delivered at least once',
    ({ job }) => void job.deliveries.pop(),
  ],
  [
    'a webhook of what never was',
    'each webhook told something that was true',
    ({ receipts }) => receipts.push(receipt('failed', 'machine-2', 905)),
  ],
  [
    'a webhook that came before what it tells of',
    'each webhook told something that was true',
    ({ receipts }) => (receipts[2]!.at = 800),
  ],
  ['a process that died', 'no process ended by itself', ({ deaths }) => deaths.push('server-0: Error')],
];

describe('an invariant is broken by', () => {
  test.for(damages)('%s: "%s" does not hold', ([, holds, damage]) => {
    const facts = healthy();
    damage(facts);
    expect(broken(facts)).toContain(holds);
    expect(judge(facts).held).toBe(false);
  });

  test('at least one damage in this table, whichever it is', () => {
    const tested = new Set(damages.map(([, holds]) => holds));
    expect(invariants.map(({ holds }) => holds).filter((holds) => !tested.has(holds))).toEqual([]);
  });
});

describe('what is late, but harmless, breaks nothing:', () => {
  test.for<[string, Damage]>([
    [
      'a write before the next claim, although the lease had run out',
      ({ writes }) => writes.push(write('key-1', 'PUT', checkpointName(1), 450)),
    ],
    [
      'a write that the store had received before the next claim, and answered after it',
      ({ writes }) => writes.push({ ...write('key-1', 'PUT', checkpointName(1), 499), answeredAt: 600 }),
    ],
    [
      'a refused write after the next claim',
      ({ writes }) => writes.push({ ...write('key-1', 'PUT', checkpointName(3), 600), done: false }),
    ],
    [
      'a lost attempt that came back before anybody else had claimed the job',
      ({ job }) => {
        job.events.splice(4, 0, event(0, 'ATTEMPT_RESUMED', 1, 410), {
          ...event(0, 'ATTEMPT_ENDED', 1, 420),
          data: { outcome: 'LOST', status: 'PENDING' },
        });
        job.events.forEach((each, index) => (each.seq = index + 1));
        job.attempts[0]!.endedAt = 420;
      },
    ],
  ])('%s', ([, damage]) => {
    const facts = healthy();
    damage(facts);
    expect(broken(facts)).toEqual([]);
  });
});
