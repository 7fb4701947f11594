import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { callForWaiting } from '../../../core/agents/call.ts';
import { recordPresence } from '../../../core/agents/presence.ts';
import { findAgent, registerAgent } from '../../../core/agents/register.ts';
import { createAgentSignals, type AgentSignal } from '../../../core/agents/signals.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, endings, runOut, submit, tryClaim } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
const subscriptions: AsyncGenerator<AgentSignal>[] = [];
afterEach(async () => {
  await Promise.all(subscriptions.splice(0).map((subscription) => subscription.return(undefined)));
});
afterAll(close);

interface Connected {
  id: string;
  viewer: Viewer;
  signals: AgentSignal[];
  claim: () => ReturnType<typeof tryClaim>;
}

/** An agent that has subscribed, and remembers what it was told. */
async function connect(viewer: Viewer, machineId = 'machine'): Promise<Connected> {
  const agent = await registerAgent(core, viewer, {
    machineId,
    containerGroupId: 'group',
    sessionId: randomUUID(),
    version: null,
    hardware: null,
  });
  const heard: AgentSignal[] = [];
  const subscription = core.signals.subscribe(agent);
  subscriptions.push(subscription);
  void (async () => {
    for await (const signal of subscription) heard.push(signal);
  })();
  // The first one is about work that came before it listened.
  await until('the first signal', () => heard.length > 0);
  expect(heard.splice(0)).toEqual([{ type: 'WORK_AVAILABLE' }]);
  // It asks, as agents do, and finds nothing: from then on it waits.
  await core.signals.claiming(agent, async () => undefined);
  const ask = () => tryClaim(core, viewer, machineId, 'group', agent.id);
  return { id: agent.id, viewer, signals: heard, claim: () => core.signals.claiming(agent, ask) };
}

/** Hands out events until the agent has heard of something. */
async function hears(agent: Connected): Promise<AgentSignal[]> {
  await until('a signal', async () => {
    await core.feed.runOnce();
    return agent.signals.length > 0;
  });
  return agent.signals.splice(0);
}

/** Submits a job, and hands out events until that has been told. */
async function submitHeard(viewer: Viewer): Promise<void> {
  const { id } = await submit(core, viewer);
  let told = false;
  const leave = core.feed.listen((event) => (told ||= event.jobId === id));
  await until('the submission in the feed', async () => {
    await core.feed.runOnce();
    return told;
  });
  leave();
}

describe('WORK_AVAILABLE', () => {
  test('wakes an agent that got nothing, when a job is submitted', async () => {
    const { viewer } = await account();
    const agent = await connect(viewer);
    expect(await agent.claim()).toBeUndefined();
    await submit(core, viewer);
    expect(await hears(agent)).toEqual([{ type: 'WORK_AVAILABLE' }]);
    expect(await agent.claim()).toBeDefined();
  });

  test('wakes another agent when a command has failed', async () => {
    const { viewer } = await account();
    const [first, second] = [await connect(viewer, 'one'), await connect(viewer, 'two')];
    await submit(core, viewer);
    const job = await first.claim();
    await hears(second);
    expect(await second.claim()).toBeUndefined();
    await finishAttempt(core, viewer, { jobId: job!.id, attempt: 1 }, endings.failed);
    expect(await hears(second)).toEqual([{ type: 'WORK_AVAILABLE' }]);
    expect(await second.claim()).toMatchObject({ id: job!.id, attemptNumber: 2 });
  });

  test('wakes an agent when a job is retried, and when a lease ran out', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    await cancelJob(core, viewer, job.id);
    const agent = await connect(viewer);
    await agent.claim();
    await retryJob(core, viewer, job.id);
    expect(await hears(agent)).toEqual([{ type: 'WORK_AVAILABLE' }]);
    await claim(core, viewer, 'another');
    expect(await agent.claim()).toBeUndefined();
    await runOut(database, job.id);
    await rescueExpired(core);
    expect(await hears(agent)).toEqual([{ type: 'WORK_AVAILABLE' }]);
  });

  test('is not lost when work comes while a claim is in flight', async () => {
    const { viewer } = await account();
    const agent = await connect(viewer);
    const known = await findAgent(core, viewer, agent.id);
    await core.signals.claiming(known, async () => {
      // The queue was empty when this claim looked; before its answer is back, a job is submitted and handed out.
      await submitHeard(viewer);
      // It was still waiting from before, and is told: but it is asking already, and may well ignore that.
      await until('the call', () => agent.signals.length > 0);
      agent.signals.length = 0;
      return undefined;
    });
    expect(await hears(agent)).toEqual([{ type: 'WORK_AVAILABLE' }]);
  });

  test('stays within its account and its group', async () => {
    const [mine, theirs] = [await account(), await account()];
    const agent = await connect(mine.viewer);
    await submit(core, theirs.viewer);
    await submit(core, mine.viewer, { containerGroupId: 'other' });
    await submit(core, mine.viewer);
    await hears(agent);
    expect(await agent.claim()).toMatchObject({ containerGroupId: 'group' });
    expect(agent.signals).toEqual([]);
  });

  test('of one job wakes a few of the agents that wait, not all', async () => {
    const { viewer } = await account();
    const agents: Connected[] = [];
    for (let index = 0; index < 12; index++) agents.push(await connect(viewer, `machine ${index}`));
    await submit(core, viewer);
    await until('someone to be woken', async () => {
      await core.feed.runOnce();
      return agents.some((agent) => agent.signals.length > 0);
    });
    const woken = agents.filter((agent) => agent.signals.length > 0).length;
    expect(woken).toBeGreaterThan(0);
    expect(woken).toBeLessThan(12);
  });
});

describe('of many who wait', () => {
  const crowd = async (viewer: Viewer, count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => connect(viewer, `machine ${index}`)));
  const woken = (agents: Connected[]) => agents.filter((agent) => agent.signals.length > 0);

  test('as many are woken as there are jobs at once, and three to spare', async () => {
    const { viewer } = await account();
    const agents = await crowd(viewer, 30);
    await submitJobs(
      core,
      viewer,
      Array.from({ length: 10 }, () => spec()),
    );
    await until('agents to be woken', async () => {
      await core.feed.runOnce();
      return woken(agents).length > 0;
    });
    expect(woken(agents)).toHaveLength(13);
  });

  test('others are called when those who were called did not take the job, and nobody once it is taken', async () => {
    const { viewer } = await account();
    const agents = await crowd(viewer, 12);
    await submit(core, viewer);
    await until('agents to be woken', async () => {
      await core.feed.runOnce();
      return woken(agents).length > 0;
    });
    const first = woken(agents);
    expect(await callForWaiting(core, core.signals)).toEqual({ called: 4 });
    const [next] = await until('another one', () => {
      const others = woken(agents).filter((agent) => !first.includes(agent));
      return others.length > 0 && others;
    });
    expect(await next!.claim()).toBeDefined();
    expect(await callForWaiting(core, core.signals)).toEqual({ called: 0 });
  });

  test('only those are called whose machine is not banned from what waits, however many others were before them', async () => {
    const { viewer } = await account();
    const job = await submit(core, viewer);
    await finishAttempt(core, viewer, (await claim(core, viewer, 'banned')).lease, endings.failed);
    const agents: Connected[] = [];
    for (let count = 0; count < 40; count++) agents.push(await connect(viewer, 'banned'));
    expect(await callForWaiting(core, core.signals)).toEqual({ called: 0 });
    agents.push(await connect(viewer, 'allowed'));
    expect(await callForWaiting(core, core.signals)).toEqual({ called: 1 });
    const [called] = await until('the call', () => woken(agents).length > 0 && woken(agents));
    expect(await called!.claim()).toMatchObject({ id: job.id, machineId: 'allowed' });
  });

  test('a job behind sixteen and more that nobody there may have is had all the same, and its machine has one more later', async () => {
    const { viewer } = await account();
    const jobs = await submitJobs(
      core,
      viewer,
      Array.from({ length: 18 }, () => spec()),
    );
    const ids = jobs.map(({ id }) => id);
    const ban = `insert into bans (job_id, machine_id, account_id, attempt, reason)
      select id, machine, $2, 1, 'failed' from unnest($1::uuid[]) id, unnest($3::text[]) machine on conflict do nothing`;
    // Rule 5: a machine with so many bans gets nothing more, so those with few are banned from four each.
    await database.query(ban, [ids, viewer.accountId, ['barred']]);
    await database.query(ban, [ids.slice(0, 4), viewer.accountId, ['choosy']]);
    const barred = [await connect(viewer, 'barred'), await connect(viewer, 'barred')];
    const choosy = await connect(viewer, 'choosy');
    for (const expected of ids.slice(4)) {
      expect(await callForWaiting(core, core.signals)).toEqual({ called: 1 });
      await until('the call', () => choosy.signals.splice(0).length > 0);
      expect(await choosy.claim()).toMatchObject({ id: expected });
      // It is free again, and waits.
      await core.signals.claiming(await findAgent(core, viewer, choosy.id), async () => undefined);
    }
    expect(await callForWaiting(core, core.signals)).toEqual({ called: 0 });
    expect(woken(barred)).toEqual([]);
  });

  test('of another account or group nobody is called', async () => {
    const [mine, theirs] = [await account(), await account()];
    await connect(mine.viewer);
    await submit(core, theirs.viewer);
    await submit(core, mine.viewer, { containerGroupId: 'other' });
    expect(await callForWaiting(core, core.signals)).toEqual({ called: 0 });
  });
});

describe('CANCEL', () => {
  test('tells the agent that holds the job, naming job and attempt, and nobody else', async () => {
    const { viewer } = await account();
    const [holder, other] = [await connect(viewer, 'one'), await connect(viewer, 'two')];
    await submit(core, viewer);
    const job = await holder.claim();
    await hears(other);
    holder.signals.length = 0;
    await cancelJob(core, viewer, job!.id);
    expect(await hears(holder)).toEqual([{ type: 'CANCEL', jobId: job!.id, attempt: 1 }]);
    expect(other.signals).toEqual([]);
  });

  test('of a pending job tells nobody', async () => {
    const { viewer } = await account();
    const agent = await connect(viewer);
    const job = await submit(core, viewer, { containerGroupId: 'other' });
    await cancelJob(core, viewer, job.id);
    await submit(core, viewer);
    expect(await hears(agent)).toEqual([{ type: 'WORK_AVAILABLE' }]);
  });
});

describe('a connection', () => {
  test('that ends is forgotten at once, and wakes are not wasted on it', async () => {
    const { viewer } = await account();
    const gone = [];
    for (let index = 0; index < 5; index++) gone.push(await connect(viewer, `gone ${index}`));
    await Promise.all(subscriptions.splice(0).map((subscription) => subscription.return(undefined)));
    expect(core.signals.connected()).toEqual([]);
    const agent = await connect(viewer, 'here');
    await submit(core, viewer);
    expect(await hears(agent)).toEqual([{ type: 'WORK_AVAILABLE' }]);
  });

  test('of a session that has connected again outlives the end of its elder', async () => {
    const { viewer } = await account();
    const { id } = await connect(viewer);
    const elder = subscriptions.splice(0);
    const agent = await findAgent(core, viewer, id);
    const younger = core.signals.subscribe(agent);
    subscriptions.push(younger);
    await younger.next();
    await core.signals.claiming(agent, async () => undefined);
    await Promise.all(elder.map((subscription) => subscription.return(undefined)));
    expect(core.signals.connected()).toEqual([id]);
    const told = younger.next();
    await submit(core, viewer);
    await until('the submission', async () => (await core.feed.runOnce()).events > 0);
    expect((await told).value).toEqual({ type: 'WORK_AVAILABLE' });
  });

  test('an agent that has not asked yet, or is at work, is not called', async () => {
    const { viewer } = await account();
    const [busy, idle] = [await connect(viewer, 'busy'), await connect(viewer, 'idle')];
    await submit(core, viewer);
    await hears(busy);
    expect(await busy.claim()).toBeDefined();
    idle.signals.length = 0;
    await core.signals.claiming(await findAgent(core, viewer, idle.id), async () => undefined);
    await submit(core, viewer);
    expect(await hears(idle)).toEqual([{ type: 'WORK_AVAILABLE' }]);
    expect(busy.signals).toEqual([]);
  });

  test('unread signals are kept once each', async () => {
    const { viewer } = await account();
    const agent = await registerAgent(core, viewer, {
      machineId: 'slow',
      containerGroupId: 'group',
      sessionId: randomUUID(),
      version: null,
      hardware: null,
    });
    const signals = createAgentSignals(core.feed, {
      connected: async () => 'connection',
      disconnected: async () => undefined,
    });
    const subscription = signals.subscribe(agent);
    await subscription.next();
    for (let round = 0; round < 5; round++) {
      await submitHeard(viewer);
      await signals.claiming(agent, async () => undefined);
    }
    expect((await subscription.next()).value).toEqual({ type: 'WORK_AVAILABLE' });
    const none = subscription.next();
    await subscription.return(undefined);
    expect((await none).done).toBe(true);
  });

  test('is written down as presence', async () => {
    const { viewer } = await account();
    const { id } = await connect(viewer);
    await database.query(`update agents set last_seen_at = now() - interval '1 hour'`);
    expect(await recordPresence(core, core.signals)).toEqual({ seen: 1 });
    const recent = await database.query(`select id from agents where last_seen_at > now() - interval '1 minute'`);
    expect(recent).toEqual([{ id }]);
  });
});

describe('registering', () => {
  test('the same session is the same agent, another session another one', async () => {
    const { viewer } = await account();
    const registration = { machineId: 'm', containerGroupId: 'g', version: '1', hardware: { gpu: 'x' } };
    const sessionId = randomUUID();
    const first = await registerAgent(core, viewer, { ...registration, sessionId });
    const again = await registerAgent(core, viewer, { ...registration, sessionId, version: '2' });
    const other = await registerAgent(core, viewer, { ...registration, sessionId: randomUUID() });
    expect([again.id, again.version]).toEqual([first.id, '2']);
    expect(other.id).not.toBe(first.id);
  });

  test('another account’s agent is not found', async () => {
    const [mine, theirs] = [await account(), await account()];
    const agent = await connect(mine.viewer);
    await expect(findAgent(core, theirs.viewer, agent.id)).rejects.toThrow('register it first');
  });
});
