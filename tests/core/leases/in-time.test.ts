import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { drainAgent, signalLeaving } from '../../../core/agents/presence.ts';
import { findAgent, registerAgent } from '../../../core/agents/register.ts';
import { claimForAgent } from '../../../core/agents/work.ts';
import type { AgentSignal } from '../../../core/agents/signals.ts';
import { liftBan, listBans } from '../../../core/jobs/bans.ts';
import { whyWaiting } from '../../../core/jobs/waiting.ts';
import { findJob } from '../../../core/jobs/find.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired, sweepLeases } from '../../../core/leases/rescue.ts';
import type { Agent } from '../../../db/entities/agent.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, endings, rowOf, runOut, submit, tryClaim } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const GRACE = 5;
const { core, database, account, close } = await openTestCore();
afterAll(close);

function register(viewer: Viewer, machineId = 'machine', sessionId: string = randomUUID()): Promise<Agent> {
  return registerAgent(core, viewer, {
    machineId,
    containerGroupId: 'group',
    sessionId,
    version: null,
    hardware: null,
  });
}

/** An agent on a connection, which remembers what it was told. */
async function connect(agent: Agent) {
  const heard: AgentSignal[] = [];
  const subscription = core.signals.subscribe(agent);
  const reading = (async () => {
    for await (const signal of subscription) heard.push(signal);
  })();
  await until('the first signal', () => heard.length > 0);
  heard.length = 0;
  const disconnect = async (): Promise<void> => {
    await subscription.return(undefined);
    await reading;
  };
  return { heard, disconnect };
}

/** Rounded to hundredths: the column holds milliseconds, so a lease may seem to last half of one longer than it was given. */
async function secondsLeft(jobId: string): Promise<number> {
  const [row] = await database.query<{ left: number }>(
    `select round(extract(epoch from lease_expires_at - clock_timestamp()), 2)::float8 as left from attempts
     where job_id = $1 and outcome is null`,
    [jobId],
  );
  return row!.left;
}

/** Makes the last sweep so long ago. */
async function pause(seconds: number): Promise<void> {
  await database.query(`update sweeps set at = clock_timestamp() - make_interval(secs => $1)`, [seconds]);
}

describe('the reconnect grace', () => {
  test('a connection that ends shortens the leases of its agent to the grace, and of nobody else', async () => {
    const { viewer } = await account();
    const [mine, other] = [await submit(core, viewer), await submit(core, viewer)];
    const agent = await register(viewer);
    await claim(core, viewer, 'machine', 'group', agent.id);
    await claim(core, viewer, 'other');
    const { disconnect } = await connect(agent);
    expect(await secondsLeft(mine.id)).toBeGreaterThan(50);
    await disconnect();
    expect(await secondsLeft(mine.id)).toBeLessThanOrEqual(GRACE);
    expect(await secondsLeft(other.id)).toBeGreaterThan(50);
  });

  test('it lengthens no lease', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer, { heartbeatInterval: 1 });
    const agent = await register(viewer);
    await claim(core, viewer, 'machine', 'group', agent.id);
    const { disconnect } = await connect(agent);
    await disconnect();
    expect(await secondsLeft(job.id)).toBeLessThanOrEqual(2);
  });

  test('the end of an older connection means nothing when a newer one stands for the agent', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    const agent = await register(viewer);
    await claim(core, viewer, 'machine', 'group', agent.id);
    const older = await connect(agent);
    const newer = await connect(agent);
    await older.disconnect();
    expect(await secondsLeft(job.id)).toBeGreaterThan(50);
    await newer.disconnect();
    expect(await secondsLeft(job.id)).toBeLessThanOrEqual(GRACE);
  });

  test('an agent that comes back within the grace has its whole lease again', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const agent = await register(viewer, 'machine');
    const job = await claim(core, viewer, 'machine', 'group', agent.id);
    const { disconnect } = await connect(agent);
    await disconnect();
    const again = await register(viewer, 'machine', agent.sessionId ?? undefined);
    expect(again.id).toBe(agent.id);
    const { disconnect: leave } = await connect(again);
    expect((await heartbeat(core, viewer, job.lease)).leaseMillis).toBe(60_000);
    expect(await secondsLeft(job.id)).toBeGreaterThan(50);
    await leave();
  });
});

describe('after an outage', () => {
  // What earlier tests have left is given up first: a sweep is about everybody's leases.
  beforeEach(async () => {
    await pause(0);
    await runOut(database);
    await sweepLeases(core, GRACE);
  });

  test('a lease that ran out while nobody swept gets one grace, and only one', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { id, lease } = await claim(core, viewer);
    await pause(60);
    await runOut(database, id);
    expect(await sweepLeases(core, GRACE)).toEqual({ graced: 1, expired: 0 });
    expect(await secondsLeft(id)).toBeGreaterThan(GRACE - 1);
    await pause(60);
    await runOut(database, id);
    expect(await sweepLeases(core, GRACE)).toEqual({ graced: 0, expired: 1 });
    // Late is not lost all the same, and a heartbeat earns the next grace.
    await heartbeat(core, viewer, lease);
    await pause(60);
    await runOut(database, id);
    expect(await sweepLeases(core, GRACE)).toEqual({ graced: 1, expired: 0 });
  });

  test('a lease that ran out while servers swept gets none', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { id } = await claim(core, viewer);
    await pause(0);
    await runOut(database, id);
    expect(await sweepLeases(core, GRACE)).toMatchObject({ graced: 0, expired: 1 });
  });
});

describe('a claim asked for again', () => {
  test('is the same claim while its attempt lives, and a new one after that', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    await submit(core, viewer);
    const agent = await register(viewer);
    const ask = async (claimId: string) =>
      (await claimForAgent(core, core.signals, viewer, { agentId: agent.id, claimId })).job;
    const claimId = randomUUID();
    const first = await ask(claimId);
    expect((await ask(claimId))!.id).toBe(first!.id);
    expect((await ask(randomUUID()))!.id).not.toBe(first!.id);
    expect((await findJob(core, viewer, first!.id)).attemptNumber).toBe(1);
  });

  test('of a claim whose attempt has ended meanwhile takes the next job, again and again', async () => {
    const { viewer } = await account();
    for (let job = 0; job < 3; job++) await submit(core, viewer);
    const agent = await register(viewer);
    const claimId = randomUUID();
    const ask = async () => (await claimForAgent(core, core.signals, viewer, { agentId: agent.id, claimId })).job;
    const taken = new Set<string>();
    for (let time = 0; time < 3; time++) {
      const job = await ask();
      taken.add(job!.id);
      await finishAttempt(core, viewer, { jobId: job!.id, attempt: job!.attemptNumber }, endings.completed);
    }
    expect(taken.size).toBe(3);
    expect(await ask()).toBeUndefined();
  });

  test('of another agent is another claim', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const [one, two] = [await register(viewer, 'one'), await register(viewer, 'two')];
    const claimId = randomUUID();
    expect((await claimForAgent(core, core.signals, viewer, { agentId: one.id, claimId })).job).toBeDefined();
    expect((await claimForAgent(core, core.signals, viewer, { agentId: two.id, claimId })).job).toBeUndefined();
  });
});

describe('connections in order', () => {
  test('one that was stuck on its way does not take the place of a newer one', async () => {
    const { viewer } = await account();
    const agent = await register(viewer);
    await submit(core, viewer);
    const { id } = await claim(core, viewer, 'machine', 'group', agent.id);
    const newer = core.signals.subscribe(agent, 2);
    expect((await newer.next()).done).toBe(false);
    const older = core.signals.subscribe(agent, 1);
    expect((await older.next()).done).toBe(true);
    expect(await secondsLeft(id)).toBeGreaterThan(GRACE);

    await newer.return(undefined);
    expect(await secondsLeft(id)).toBeLessThanOrEqual(GRACE);
    const newest = core.signals.subscribe(agent, 3);
    expect((await newest.next()).done).toBe(false);
    await newest.return(undefined);
  });
});

describe('draining', () => {
  test('an agent that is asked to leave is told, gets no more work, and hears it with its heartbeat', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    await submit(core, viewer);
    const agent = await register(viewer);
    const { heard, disconnect } = await connect(agent);
    const job = await claim(core, viewer, 'machine', 'group', agent.id);
    expect((await heartbeat(core, viewer, job.lease)).draining).toBe(false);
    expect((await drainAgent(core, viewer, agent.id)).drainingAt).not.toBeNull();
    await signalLeaving(core, core.signals);
    await until('the signal', () => heard.length > 0);
    expect(heard).toEqual([{ type: 'DRAIN' }]);
    expect((await heartbeat(core, viewer, job.lease)).draining).toBe(true);
    const work = await claimForAgent(core, core.signals, viewer, { agentId: agent.id, claimId: undefined });
    expect(work).toMatchObject({ job: undefined, signal: 'DRAIN' });
    await disconnect();
  });

  test('another account’s agent is not found, and an agent’s key may not', async () => {
    const [mine, theirs] = [await account(), await account()];
    const agent = await register(mine.viewer);
    await expect(drainAgent(core, theirs.viewer, agent.id)).rejects.toThrow('There is no agent');
    const worker = await account('AGENT', 'drain-worker');
    await expect(drainAgent(core, worker.viewer, agent.id)).rejects.toThrow('role AGENT');
    expect((await findAgent(core, mine.viewer, agent.id)).drainingAt).toBeNull();
  });
});

describe('Rule 5: bans', () => {
  test('carry reason and attempt, and can be lifted', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    const { lease } = await claim(core, viewer, 'weak');
    await finishAttempt(core, viewer, lease, endings.failed);
    expect(await listBans(core, [id])).toMatchObject([{ machineId: 'weak', attempt: 1, reason: 'exit code 1' }]);
    expect(await tryClaim(core, viewer, 'weak')).toBeUndefined();
    await liftBan(core, viewer, id, 'weak');
    expect(await listBans(core, [id])).toEqual([]);
    expect((await tryClaim(core, viewer, 'weak'))!.id).toBe(id);
  });

  test('a machine banned from five jobs gets nothing more, and is told so', async () => {
    const { viewer } = await account();
    const agent = await register(viewer, 'broken');
    const { heard, disconnect } = await connect(agent);
    for (let count = 0; count < 5; count++) {
      await submit(core, viewer);
      const { lease } = await claim(core, viewer, 'broken');
      await finishAttempt(core, viewer, lease, endings.failed);
    }
    await submit(core, viewer);
    const work = await claimForAgent(core, core.signals, viewer, { agentId: agent.id, claimId: undefined });
    expect(work).toMatchObject({ job: undefined, signal: 'REALLOCATE' });
    await until('the signal', () => heard.some(({ type }) => type === 'REALLOCATE'));
    expect(await tryClaim(core, viewer, 'sound')).toBeDefined();
    await disconnect();
  });
});

describe('why a pending job waits', () => {
  const reasonOf = async (viewer: Viewer, id: string) => {
    const job = await findJob(core, viewer, id);
    return (await whyWaiting(core, [job])).get(id);
  };

  test('no agent, the queue before it, every machine banned, and nothing but time', async () => {
    const { viewer } = await account();
    const first = await submit(core, viewer);
    const second = await submit(core, viewer);
    expect(await reasonOf(viewer, first.id)).toBe('No agent of container group group is connected.');
    await register(viewer, 'weak');
    expect(await reasonOf(viewer, first.id)).toBe('Next in the queue: it waits for an agent to be free.');
    expect(await reasonOf(viewer, second.id)).toBe('1 job is before it in the queue.');
    const { lease } = await claim(core, viewer, 'weak');
    expect(await reasonOf(viewer, first.id)).toBeUndefined();
    await finishAttempt(core, viewer, lease, endings.failed);
    expect(await reasonOf(viewer, first.id)).toBe(
      'Every connected machine (1) is banned from this job: lift a ban, or connect another machine. The job failed once: exit code 1',
    );
    await register(viewer, 'sound');
    expect(await reasonOf(viewer, first.id)).toMatch(/^Next in the queue/);
    await database.query(`update agents set last_seen_at = now() - interval '1 minute'`);
    expect(await reasonOf(viewer, first.id)).toMatch(
      /^No agent of container group group is connected\. The job failed/,
    );
  });
});

test('Rule 5: a claim that waited for the row of a job sees a ban that was committed meanwhile', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  await claim(core, viewer, 'late');
  await runOut(database, id);
  await rescueExpired(core);
  // As the failure report of the same machine leaves the row, seen by a claim whose snapshot knows no ban.
  await database.query('update jobs set banned_machine_id = $2 where id = $1', [id, 'late']);
  expect(await tryClaim(core, viewer, 'late')).toBeUndefined();
  expect(await rowOf(database, id)).toMatchObject({ status: 'PENDING' });
  expect(await tryClaim(core, viewer, 'another')).toBeDefined();
});
