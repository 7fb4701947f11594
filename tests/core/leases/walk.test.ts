import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { disagreements } from '../../support/history.ts';
import { endings, outcomes, rowOf, runOut, submit, tryClaim } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

type EndingName = keyof typeof endings;
type Step =
  | { verb: 'claim' | 'heartbeat'; machine: number }
  | { verb: 'end'; machine: number; ending: EndingName }
  | { verb: 'expire' | 'cancel' | 'retry'; machine: number };

const machine = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ verb: fc.constant('claim' as const), machine }) },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant('heartbeat' as const), machine }) },
  {
    weight: 3,
    arbitrary: fc.record({
      verb: fc.constant('end' as const),
      machine,
      ending: fc.constantFrom(...(Object.keys(endings) as EndingName[])),
    }),
  },
  { weight: 3, arbitrary: fc.record({ verb: fc.constantFrom('expire', 'cancel', 'retry'), machine }) },
);

/** One job as this page of rules has it, without a database. */
interface Model {
  status: string;
  attempt: number;
  /** The attempt that may still act: the living one, or one that was lost and may come back. */
  holder: { machine: number; attempt: number; lost: boolean } | undefined;
  /** The newest attempt that each machine believes to hold. */
  believes: Map<number, number>;
  /** How each attempt's own report ended it: the same report again is answered, and changes nothing. */
  reported: Map<number, EndingName>;
  bans: Set<number>;
  failures: number;
  interruptions: number;
  syncFailures: number;
}

const MAX_FAILURES = 3;
const MAX_INTERRUPTIONS = 4;

/** What the step should do to the model. @returns whether it is accepted */
function foretell(model: Model, step: Step): boolean {
  const attempt = model.believes.get(step.machine);
  const holds = attempt !== undefined && model.holder?.attempt === attempt;
  switch (step.verb) {
    case 'claim': {
      if (model.status !== 'PENDING' || model.bans.has(step.machine)) return false;
      model.attempt += 1;
      model.status = 'RUNNING';
      model.holder = { machine: step.machine, attempt: model.attempt, lost: false };
      model.believes.set(step.machine, model.attempt);
      return true;
    }
    case 'heartbeat':
      if (!holds || model.holder === undefined) return false;
      if (model.holder.lost) model.interruptions -= 1;
      model.holder.lost = false;
      model.status = 'RUNNING';
      return true;
    case 'end':
      if (attempt === undefined) return false;
      if (!holds) return model.reported.get(attempt) === step.ending;
      model.reported.set(attempt, step.ending);
      endIt(model, step.ending, step.machine);
      return true;
    case 'expire':
      if (model.status !== 'RUNNING' || model.holder === undefined) return true;
      model.interruptions += 1;
      model.status = model.interruptions > MAX_INTERRUPTIONS ? 'FAILED' : 'PENDING';
      model.holder = model.status === 'PENDING' ? { ...model.holder, lost: true } : undefined;
      return true;
    case 'cancel':
      if (model.status === 'COMPLETED' || model.status === 'FAILED') return false;
      model.status = 'CANCELED';
      model.holder = undefined;
      return true;
    case 'retry':
      if (model.status !== 'FAILED' && model.status !== 'CANCELED') return false;
      Object.assign(model, { status: 'PENDING', failures: 0, interruptions: 0, syncFailures: 0 });
      return true;
  }
}

function endIt(model: Model, ending: EndingName, machine: number): void {
  if (model.holder?.lost === true) model.interruptions -= 1;
  model.holder = undefined;
  model.status = 'PENDING';
  if (ending === 'completed') model.status = 'COMPLETED';
  if (ending === 'syncFailed') model.syncFailures += 1;
  if (ending === 'released') model.interruptions += 1;
  if (ending === 'failed' || ending === 'timedOut') {
    model.failures += 1;
    model.bans.add(machine);
  }
  if (
    model.failures >= MAX_FAILURES ||
    model.syncFailures >= 10 ||
    (ending === 'released' && model.interruptions > MAX_INTERRUPTIONS)
  ) {
    model.status = 'FAILED';
  }
}

/** The newest attempt that each machine believes to hold, by job and machine. */
type Beliefs = Map<string, number>;

/** The same step for real. @returns whether it was accepted */
async function take(viewer: Viewer, jobId: string, beliefs: Beliefs, step: Step): Promise<boolean> {
  const lease: LeaseRef = { jobId, attempt: beliefs.get(`${jobId} ${step.machine}`) ?? 0 };
  const accepted = async (work: Promise<unknown>): Promise<boolean> => (await outcomes([work]))[0] === 'done';
  switch (step.verb) {
    case 'claim': {
      const job = await tryClaim(core, viewer, `machine ${step.machine}`);
      if (job !== undefined) beliefs.set(`${job.id} ${step.machine}`, job.attemptNumber);
      return job !== undefined;
    }
    case 'heartbeat':
      return accepted(heartbeat(core, viewer, lease, { phase: 'RUNNING' }));
    case 'end':
      return accepted(finishAttempt(core, viewer, lease, endings[step.ending]));
    case 'expire':
      await runOut(database, jobId);
      await rescueExpired(core);
      return true;
    case 'cancel':
      return accepted(cancelJob(core, viewer, jobId));
    case 'retry':
      return accepted(retryJob(core, viewer, jobId));
  }
}

// Some thousand statements one after the other: on a machine that others use too that takes its time.
describe('random walks', { timeout: 120_000 }, () => {
  test('step by step, the database accepts and refuses what the rules say', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const { viewer } = await account();
        const { id } = await submit(core, viewer, { maxFailures: MAX_FAILURES, maxInterruptions: MAX_INTERRUPTIONS });
        const model: Model = {
          status: 'PENDING',
          attempt: 0,
          holder: undefined,
          believes: new Map(),
          reported: new Map(),
          bans: new Set(),
          failures: 0,
          interruptions: 0,
          syncFailures: 0,
        };
        const beliefs: Beliefs = new Map();
        for (const each of steps) {
          const expected = foretell(model, each);
          expect([each, await take(viewer, id, beliefs, each)]).toEqual([each, expected]);
        }
        expect(await rowOf(database, id)).toMatchObject({
          status: model.status,
          attempt_number: model.attempt,
          num_failures: model.failures,
          num_interruptions: model.interruptions,
          num_sync_failures: model.syncFailures,
        });
      }),
      { numRuns: 25 },
    );
    expect(await disagreements(database)).toEqual([]);
  });

  test('all at once, on few jobs, each job’s rows and events still tell one story', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 4, maxLength: 8 }), { minLength: 4, maxLength: 10 }),
        async (rounds) => {
          const { viewer } = await account();
          const jobs = await submitJobs(core, viewer, [spec(), spec({ maxInterruptions: 2 }), spec()]);
          const beliefs: Beliefs = new Map();
          for (const round of rounds) {
            await Promise.all(round.map((each, index) => take(viewer, jobs[index % jobs.length]!.id, beliefs, each)));
          }
          expect(await disagreements(database)).toEqual([]);
          const [twice] = await database.query(
            `select count(*)::int as lives from attempts where outcome is null group by job_id having count(*) > 1`,
          );
          expect(twice).toBeUndefined();
          await database.query('delete from jobs where account_id = $1', [viewer.accountId]);
        },
      ),
      { numRuns: 25 },
    );
  });
});
