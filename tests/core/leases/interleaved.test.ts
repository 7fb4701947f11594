import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { connected, disconnected, recordPresence } from '../../../core/agents/presence.ts';
import { claimForAgent } from '../../../core/agents/work.ts';
import { registerAgent } from '../../../core/agents/register.ts';
import { openCore, type OpenCore } from '../../../core/open.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired, sweepLeases } from '../../../core/leases/rescue.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { MASTER_KEY, openTestCore } from '../../support/core.ts';
import { disagreements } from '../../support/history.ts';
import { holding, played, waitingForLocks } from '../../support/holding.ts';
import { claim, claimMany, rowOf, runOut, submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const GRACE = 5;
const { core, database, account, close } = await openTestCore();
const another = await openCore({ databaseUrl: database.url, masterKey: MASTER_KEY, onError: () => undefined });
afterAll(async () => {
  await another.close();
  await close();
});
// A sweep is about everybody's leases.
beforeEach(() => database.query('delete from jobs'));

/** Of its live attempt, rounded as in the column. */
async function secondsLeft({ jobId }: LeaseRef): Promise<number | undefined> {
  const [row] = await database.query<{ left: number }>(
    `select round(extract(epoch from lease_expires_at - clock_timestamp()), 2)::float8 as left from attempts
     where job_id = $1 and outcome is null`,
    [jobId],
  );
  return row?.left;
}

test('of two heartbeats that meet at two servers to get one lease back neither loses it', async () => {
  await played(async () => {
    const { viewer } = await account();
    const [lease] = await claimMany(core, viewer, 1);
    await runOut(database, lease!.jobId);
    await rescueExpired(core);
    const letGo = await holding(database, 'select from jobs where id = $1 for update', [lease!.jobId]);
    const beats = [core, another].map((server) => heartbeat(server, viewer, lease!));
    const settled = Promise.allSettled(beats);
    // Both have seen by then that the attempt has ended.
    await until('both to wait for the job', async () => (await waitingForLocks(database)) === 2);
    await letGo();
    await settled;
    expect(await Promise.all(beats)).toMatchObject([{ leaseMillis: 60_000 }, { leaseMillis: 60_000 }]);
    expect(await rowOf(database, lease!.jobId)).toMatchObject({ status: 'RUNNING', num_interruptions: 0 });
    expect(await disagreements(database)).toEqual([]);
  });
});

test('the end of a connection that is written late shortens no lease that was renewed under a newer one', async () => {
  await played(async () => {
    const { viewer } = await account();
    const agent = await registerAgent(core, viewer, {
      ...{ machineId: 'machine', containerGroupId: 'group', sessionId: randomUUID() },
      ...{ version: null, hardware: null },
    });
    const jobs = [await submit(core, viewer), await submit(core, viewer)];
    for (let n = 0; n < jobs.length; n++) await claim(core, viewer, 'machine', 'group', agent.id);
    const [first, last] = jobs
      .map(({ id }) => ({ jobId: id, attempt: 1 }))
      .sort((a, b) => (a.jobId < b.jobId ? -1 : 1));
    const older = await connected(core, agent, 1);
    const letGo = await holding(database, 'select from attempts where job_id = $1 for no key update', [first!.jobId]);
    const ended = disconnected(core, agent, older!, GRACE);
    await until('the end to wait for the first attempt', async () => (await waitingForLocks(database)) === 1);
    // The agent has come back to another server, and is told so; then it renews what it has.
    let isBack = false;
    const back = connected(another, agent, 2)
      .then(() => heartbeat(another, viewer, last!))
      .finally(() => (isBack = true));
    await until('the agent, or that it waits too', async () => isBack || (await waitingForLocks(database)) === 2);
    await letGo();
    await Promise.all([ended, back]);
    expect(await secondsLeft(last!)).toBeGreaterThan(50);
  });
});

test('a server that stood still takes no job for an agent that has gone to another one', async () => {
  const { viewer } = await account();
  const agent = await registerAgent(core, viewer, {
    ...{ machineId: 'machine', containerGroupId: 'group', sessionId: randomUUID() },
    ...{ version: null, hardware: null },
  });
  const ask = async (server: OpenCore) => {
    const claim = { agentId: agent.id, claimId: randomUUID() };
    return (await claimForAgent(server, server.signals, viewer, claim)).job?.id;
  };
  const gone = core.signals.subscribe(agent, 1);
  await gone.next();
  const present = another.signals.subscribe(agent, 2);
  await present.next();
  const { id } = await submit(core, viewer);
  expect(await ask(core)).toBeUndefined();
  expect(await ask(another)).toBe(id);
  await Promise.all([gone.return(undefined), present.return(undefined)]);
});

test('a connected agent whose row says of an older connection, or of none, gets a job', async () => {
  const { viewer } = await account();
  const agent = await registerAgent(core, viewer, {
    ...{ machineId: 'machine', containerGroupId: 'group', sessionId: randomUUID() },
    ...{ version: null, hardware: null },
  });
  const present = core.signals.subscribe(agent, 7);
  await present.next();
  await database.query('update agents set connection_number = 6, connection_id = null where id = $1', [agent.id]);
  const { id } = await submit(core, viewer);
  const { job } = await claimForAgent(core, core.signals, viewer, { agentId: agent.id, claimId: randomUUID() });
  expect(job?.id).toBe(id);
  await present.return(undefined);
});

test('an agent whose connection ends while somebody holds one of its attempts keeps nobody waiting who connects or is seen', async () => {
  await played(async () => {
    const { viewer } = await account();
    const [agent, bystander] = await Promise.all(
      ['machine', 'another'].map((machineId) =>
        registerAgent(core, viewer, {
          ...{ machineId, containerGroupId: 'group', sessionId: randomUUID(), version: null, hardware: null },
        }),
      ),
    );
    const { id } = await submit(core, viewer);
    await claim(core, viewer, 'machine', 'group', agent!.id);
    const older = await connected(core, agent!, 1);
    const letGo = await holding(database, 'select from attempts where job_id = $1 for no key update', [id]);
    const ended = disconnected(core, agent!, older!, GRACE);
    const settled = Promise.allSettled([ended]);
    await until('the end to wait for the attempt', async () => (await waitingForLocks(database)) === 1);
    const others = [
      recordPresence(core, { connected: () => [agent!.id, bystander!.id] }),
      connected(another, agent!, 2),
      connected(another, bystander!, 1),
    ];
    expect(await Promise.all(others)).toEqual([{ seen: 2 }, expect.any(String), expect.any(String)]);
    await letGo();
    await settled;
    // Had they waited for its end, that would have waited too long for the attempt.
    await ended;
    expect(await secondsLeft({ jobId: id, attempt: 1 })).toBeGreaterThan(50);
  });
});

/** A server that stands still, as with its machine, right after it has seen that nothing stood still. */
function standingStillAfterLook(server: OpenCore, meanwhile: () => Promise<void>): OpenCore {
  let forks = 0;
  const em = Object.create(server.em) as OpenCore['em'];
  em.fork = (...options) => {
    const fork = server.em.fork(...options);
    if (forks++ === 0) return fork;
    const transactional = fork.transactional.bind(fork);
    fork.transactional = async (...work) => {
      await meanwhile();
      return transactional(...work);
    };
    return fork;
  };
  return { ...server, em };
}

test('a sweep that an outage cuts in two takes nothing of what ran out meanwhile', async () => {
  const { viewer } = await account();
  const [lease] = await claimMany(core, viewer, 1);
  await sweepLeases(core, GRACE);
  const outage = async () => {
    await database.query(`update sweeps set at = at - interval '1 minute'`);
    await runOut(database, lease!.jobId);
  };
  expect(await sweepLeases(standingStillAfterLook(core, outage), GRACE)).toEqual({ graced: 0, expired: 0 });
  expect(await sweepLeases(core, GRACE)).toEqual({ graced: 1, expired: 0 });
  expect(await secondsLeft(lease!)).toBeGreaterThan(GRACE - 1);
});
