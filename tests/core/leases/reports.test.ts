import { afterAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import type { Core } from '../../../core/core.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { createAlone } from '../../../core/leases/alone.ts';
import { createLeaseTurns } from '../../../core/leases/lease-turns.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { createReports, type StoreReport } from '../../../core/leases/reports.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { openTestCore } from '../../support/core.ts';
import { hasWaitedTooLong, holding, played } from '../../support/holding.ts';
import { claim, claimMany, endings, eventTypes, outcomes, runOut, tryClaim } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);

type Report = Parameters<StoreReport>[0];

/** What the command of a lease says, or whatever else stands in `part`. */
function report(viewer: Viewer, lease: LeaseRef, part: Partial<Report> | string): Report {
  const silent = { phase: null, progress: null, transfer: null, says_warning: false, warning: null };
  const fence = { account_id: viewer.accountId, job_id: lease.jobId, attempt: lease.attempt };
  if (typeof part !== 'string') return { ...silent, ...fence, ...part };
  const progress = { fraction: null, message: part, metrics: null, at: new Date().toISOString() };
  return { ...silent, ...fence, progress };
}

/** The last words of these leases' commands, in their order, and how many transactions have told of them. */
async function said(of: readonly LeaseRef[]) {
  const ids = of.map(({ jobId }) => jobId);
  const words = await database.query<{ message: string | null }>(
    `select progress ->> 'message' as message from attempts where job_id = any($1) order by array_position($1, job_id), number`,
    [ids],
  );
  const events = await database.query<{ xid: string }>(
    `select distinct xid::text from job_events where job_id = any($1) and type = 'PROGRESSED'`,
    [ids],
  );
  return { words: words.map(({ message }) => message), transactions: events.length };
}

describe('reports that come at once', () => {
  test('are written at once, each with its own words and its own event', async () => {
    const { viewer } = await account();
    const of = await claimMany(core, viewer, 12);
    const answers = await Promise.all(of.map((lease, n) => core.report(report(viewer, lease, `step ${n}`))));
    expect(answers.map((answer) => answer?.events)).toEqual(of.map(() => 1));
    // The first is alone, and the others wait for it.
    expect(await said(of)).toEqual({ words: of.map((_, n) => `step ${n}`), transactions: 2 });
    for (const { jobId } of of) {
      expect(await eventTypes(database, jobId)).toEqual(['SUBMITTED', 'CLAIMED', 'PROGRESSED']);
    }
  });

  test('have their own verdicts: one that was cancelled, a stranger, one that is claimed anew, and one that is said twice', async () => {
    const { viewer } = await account();
    const stranger = (await account()).viewer;
    const [first, good, gone, late, twice, theirs] = await claimMany(core, viewer, 6);
    if (!first || !good || !gone || !late || !twice || !theirs) throw new Error('Expected six leases');
    await cancelJob(core, viewer, gone.jobId);
    await runOut(database, late.jobId);
    await rescueExpired(core);
    await database.query(`update attempts set progress_due_at = now() + interval '1 hour' where job_id = $1`, [
      twice.jobId,
    ]);
    const { lease: newer } = await claim(core, viewer, 'another');
    expect(newer).toEqual({ ...late, attempt: 2 });
    const answers = await Promise.all([
      core.report(report(viewer, first, 'first')),
      core.report(report(viewer, good, 'good')),
      core.report(report(viewer, gone, 'gone')),
      core.report(report(viewer, late, 'late')),
      core.report(report(viewer, newer, 'newer')),
      core.report(report(viewer, twice, 'once')),
      core.report(report(viewer, { ...twice, jobId: twice.jobId.toUpperCase() }, 'twice')),
      core.report(report(stranger, theirs, 'stranger')),
      core.report(report(viewer, theirs, 'owner')),
      core.report(report(viewer, { ...good, attempt: 2 }, 'never was')),
    ]);
    // What is said sooner than once a second is taken, and is no event.
    expect(answers.map((answer) => answer?.events)).toEqual([
      1,
      1,
      undefined,
      undefined,
      1,
      0,
      0,
      undefined,
      1,
      undefined,
    ]);
    expect((await said([first, good, gone, late, twice, theirs])).words).toEqual([
      ...['first', 'good', null],
      ...[null, 'newer'],
      ...['twice', 'owner'],
    ]);
  });

  test('of which one has lost its lease: its agent is told so, and the others renew theirs', async () => {
    const { viewer } = await account();
    const of = await claimMany(core, viewer, 6);
    const gone = of[3];
    if (gone === undefined) throw new Error('Expected a lease');
    await cancelJob(core, viewer, gone.jobId);
    const told = of.map((lease, n) =>
      heartbeat(core, viewer, lease, { progress: { fraction: n / 10, message: `step ${n}`, metrics: null } }),
    );
    expect(await outcomes(told)).toEqual(of.map((lease) => (lease === gone ? 'LEASE_LOST' : 'done')));
    expect((await said(of)).words).toEqual(of.map((lease, n) => (lease === gone ? null : `step ${n}`)));
  });

  test.each([
    ['job', 'select from jobs where id = $1 for update'],
    ['attempt', 'select from attempts where job_id = $1 for no key update'],
  ])('whose %s is held by another waits alone', async (_what, sql) => {
    const { viewer } = await account();
    const [first, blocked, ...free] = await claimMany(core, viewer, 6);
    if (!first || !blocked) throw new Error('Expected six leases');
    const letGo = await holding(database, sql, [blocked.jobId]);
    const others = [core.report(report(viewer, first, 'first'))];
    const waiting = core.report(report(viewer, blocked, 'blocked'));
    others.push(...free.map((lease) => core.report(report(viewer, lease, 'free'))));
    expect((await Promise.all(others)).map((answer) => answer?.events)).toEqual(others.map(() => 1));
    expect((await said([blocked])).words).toEqual([null]);
    await letGo();
    // On a machine that stood still for seconds it was told to ask again.
    await waiting.catch(() => core.report(report(viewer, blocked, 'blocked')));
    expect((await said([first, blocked, ...free])).words).toEqual(['first', 'blocked', ...free.map(() => 'free')]);
  });

  test.each([
    [
      'a text that cannot be stored',
      { progress: { fraction: null, message: '\0', metrics: null, at: new Date().toISOString() } },
    ],
    ['a number out of range', { attempt: 2 ** 31 }],
    [
      'what is too deep',
      { progress: { fraction: null, message: 'deep', metrics: deep(), at: new Date().toISOString() } },
    ],
  ])('fail alone: one with %s', async (_what, part) => {
    const { viewer } = await account();
    const of = await claimMany(core, viewer, 8);
    const bad = of[4];
    const told = of.map((lease, n) => core.report(report(viewer, lease, lease === bad ? part : `step ${n}`)));
    const settled = await Promise.allSettled(told);
    expect(settled.map(({ status }) => status)).toEqual(of.map((lease) => (lease === bad ? 'rejected' : 'fulfilled')));
    expect((await said(of)).words).toEqual(of.map((lease, n) => (lease === bad ? null : `step ${n}`)));
  });

  test('of one attempt are written in the order in which they came, also where the first of them has to wait', async () => {
    const { viewer } = await account();
    await played(async () => {
      const [lease, other] = await claimMany(core, viewer, 2);
      if (!lease || !other) throw new Error('Expected two leases');
      const letGo = await holding(database, 'select from attempts where job_id = $1 for update', [lease.jobId]);
      const phases = ['DOWNLOADING', 'RUNNING', 'UPLOADING', 'RUNNING', 'UPLOADING'] as const;
      const told = Promise.all(phases.map((phase) => core.report(report(viewer, lease, { phase }))));
      told.catch(() => undefined);
      await core.report(report(viewer, other, 'other'));
      await letGo();
      expect((await told).map((answer) => answer?.events)).toEqual(phases.map(() => 1));
      const events = await database.query<{ phase: string }>(
        `select data ->> 'phase' as phase from job_events where job_id = $1 and type = 'PHASE_CHANGED' order by xid, id`,
        [lease.jobId],
      );
      expect(events.map(({ phase }) => phase)).toEqual(phases);
    });
  });
});

function deep(): Record<string, unknown> {
  let value: unknown = 1;
  for (let depth = 0; depth < 4_900; depth++) value = [value];
  return { value };
}

/** Another server on the same database. */
const otherServer: Core = {
  ...core,
  report: createReports(core, createAlone()),
  heartbeatTurns: createLeaseTurns(),
};

test('rounds of two servers wait in no circle with cancels, endings, rescues and claims, and each event has its number', async () => {
  const { viewer } = await account();
  const of = await claimMany(core, viewer, 30);
  const ids = of.map(({ jobId }) => jobId);
  const failures: unknown[] = [];
  const heed = (error: unknown): void => {
    const isLost = error instanceof Error && 'code' in error && error.code === 'LEASE_LOST';
    // Only a deadlock proves a circle: whoever waits for too long on a busy machine is told to ask again.
    if (!isLost && !hasWaitedTooLong(error)) failures.push(error);
  };
  const tell = (server: Core, all: readonly LeaseRef[], round: number) =>
    all.map((lease, n) =>
      heartbeat(server, viewer, lease, {
        phase: (['DOWNLOADING', 'RUNNING', 'UPLOADING'] as const)[(round + n) % 3],
        progress: { fraction: round / 10, message: `round ${round}`, metrics: null },
        warning: round % 2 === 0 ? 'slow' : null,
        checkpoints: { files: round + 1, bytes: String(round), newestKeys: [`checkpoint-${round}`] },
      }).catch(heed),
    );
  const backwards = of.toReversed();
  // As a walk over many jobs, which takes them in the order of their submission, and any other.
  const walk = () =>
    core.em.fork().transactional(async (em) => {
      await em.execute(`select from jobs where id = any(?) order by id desc for update`, [`{${ids.join()}}`]);
    });
  for (let round = 0; round < 6; round++) {
    const ended = of[round * 2];
    const canceled = of[round * 2 + 1];
    if (!ended || !canceled) throw new Error('Expected more leases');
    await runOut(database, of[29 - round]?.jobId);
    await Promise.all([
      ...tell(core, of, round),
      ...tell(otherServer, backwards, round),
      finishAttempt(core, viewer, ended, endings.released).catch(heed),
      cancelJob(core, viewer, canceled.jobId).catch(heed),
      rescueExpired(core).catch(heed),
      walk().catch(heed),
      tryClaim(core, viewer, 'another').catch(heed),
    ]);
  }
  expect(failures).toEqual([]);
  const broken = await database.query(
    `select job_id from job_events where job_id = any($1) group by job_id having max(seq) <> count(*) or min(seq) <> 1`,
    [ids],
  );
  expect(broken).toEqual([]);
  const behind = await database.query(
    `select j.id from jobs j where j.id = any($1) and j.event_seq <> (select max(seq) from job_events e where e.job_id = j.id)`,
    [ids],
  );
  expect(behind).toEqual([]);
});
