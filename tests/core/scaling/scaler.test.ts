import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { registerAgent } from '../../../core/agents/register.ts';
import { liftBan } from '../../../core/jobs/bans.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { findJob } from '../../../core/jobs/find.ts';
import { whyWaiting } from '../../../core/jobs/waiting.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { openCore, type OpenCore } from '../../../core/open.ts';
import { scalingDecisions, scalingHistory } from '../../../core/scaling/history.ts';
import { createSaladProvider } from '../../../core/scaling/providers/salad.ts';
import { createGroupChecks } from '../../../core/scaling/checks.ts';
import {
  createScalingRule,
  deleteScalingRule,
  findScalingRule,
  type RuleTerms,
  updateScalingRule,
} from '../../../core/scaling/rules.ts';
import { createScaler, type Scaler } from '../../../core/scaling/scaler.ts';
import { takeTurns } from '../../../core/scaling/turns.ts';
import { periodic } from '../../../lib/service.ts';
import { MASTER_KEY, openTestCore, type TestCore } from '../../support/core.ts';
import { claim, endings, outcomes, submit } from '../../support/jobs.ts';
import { startSaladGroups, type SaladGroups } from '../../support/salad-groups.ts';
import { until } from '../../support/until.ts';

const KEY = 'salad-key-of-the-operator';
const TERMS = { minReplicas: 0, maxReplicas: 10, idleThresholdSeconds: 0 };
let api: SaladGroups;
let fixture: TestCore;
let core: OpenCore;
const scalers: Scaler[] = [];

beforeAll(async () => {
  [api, fixture] = await Promise.all([startSaladGroups(KEY), openTestCore()]);
  core = fixture.core;
});
afterEach(async () => {
  await Promise.all(scalers.splice(0).map((scaler) => scaler.stop()));
  Object.assign(api, { answer: undefined, silentAbout: undefined, brokenAbout: undefined, asked: [] });
  await fixture.database.query('delete from scaling_rules');
});
afterAll(() => Promise.all([api.close(), fixture.close()]));

function provider() {
  return createSaladProvider({ apiUrl: api.url, apiKey: KEY, organization: 'acme', project: 'lab', perMinute: 10_000 });
}

/** What a server does for scaling. It has no rhythm of its own: a test says when it looks. */
function start(options: { core?: OpenCore; timeLimitMs?: number; onNews?: () => void } = {}): Scaler {
  const onError = (error: Error) => {
    throw error;
  };
  const scaler = createScaler({ core, provider: provider(), onError, ...options });
  scalers.push(scaler);
  return scaler;
}

/** A group that is stopped and set to one replica, and an account with a rule for it that is due. */
async function world(terms: Partial<RuleTerms> = {}) {
  const { viewer } = await fixture.account();
  const id = randomUUID();
  const group: SaladGroups['groups'][0] = { id, name: `herd-${id}`, replicas: 1, status: 'stopped', instances: [] };
  api.groups.push(group);
  await createScalingRule(core, viewer, id, { ...TERMS, ...terms });
  return { viewer, group, rule: () => findScalingRule(core, viewer, id) };
}

/** Makes every rule due, whatever it waits for, but for one whose turn it is. */
async function becomeDue(): Promise<void> {
  await fixture.database.query('update scaling_rules set next_action_at = now() where turn is null');
}

async function look(scaler: Scaler): Promise<number> {
  await becomeDue();
  const { started } = await scaler.runOnce();
  await scaler.settled();
  return started;
}

/** In how many seconds from its last answer the rule is looked at again. */
async function waits(viewer: Viewer): Promise<number> {
  const [row] = await fixture.database.query<{ seconds: number }>(
    'select extract(epoch from next_action_at - answered_at)::float8 as seconds from scaling_rules where account_id = $1',
    [viewer.accountId],
  );
  return row?.seconds ?? NaN;
}

const changes = () => api.asked.filter((question) => !question.startsWith('GET'));

describe('a group', () => {
  test('that is stopped is given a size and started for its jobs, and stopped when there are none; what is right is let be', async () => {
    const { viewer, group, rule } = await world();
    const scaler = start();
    const jobs = await Promise.all([1, 2, 3].map(() => submit(core, viewer, { containerGroupId: group.id })));
    await look(scaler);
    expect(group).toMatchObject({ replicas: 3, status: 'deploying' });
    expect(changes()).toEqual([`PATCH /${group.name}`, `POST /${group.name}/start`]);
    await look(scaler);
    expect(changes()).toHaveLength(2);
    for (const { id } of jobs) await cancelJob(core, viewer, id);
    await look(scaler);
    expect(group.status).toBe('stopped');
    expect(await rule()).toMatchObject({ wanted: 0, answerOk: true, answer: 'was RUNNING with 3 replicas; stopped' });
  });

  test('with a least number of replicas is never stopped, and with a greatest never larger', async () => {
    const { viewer, group, rule } = await world({ minReplicas: 2, maxReplicas: 3 });
    const scaler = start();
    await look(scaler);
    expect(group).toMatchObject({ replicas: 2, status: 'deploying' });
    for (let count = 0; count < 5; count++) await submit(core, viewer, { containerGroupId: group.id });
    await look(scaler);
    expect(group.replicas).toBe(3);
    expect((await rule()).reason).toBe('3 = clamped from 5 by max_replicas (5 pending)');
    // The queue makes history also where nothing else is wanted, when it has changed by a tenth, once a minute.
    const counts = async () => (await scalingHistory(core, await rule(), 10)).map(({ pending }) => pending);
    const later = () => fixture.database.query("update scaling_events set at = at - interval '1 minute'");
    const lookWith = async (jobs: number) => {
      for (let count = 0; count < jobs; count++) await submit(core, viewer, { containerGroupId: group.id });
      await look(scaler);
      return counts();
    };
    expect(await counts()).toEqual([5, 0]);
    expect(await lookWith(6)).toEqual([5, 0]);
    await later();
    expect(await lookWith(0)).toEqual([11, 5, 0]);
    await later();
    expect(await lookWith(1)).toEqual([11, 5, 0]);
    // What is newly wanted is told at once.
    await updateScalingRule(core, viewer, group.id, { maxReplicas: 4 });
    expect(await lookWith(6)).toEqual([18, 11, 5, 0]);
  });

  test('has decisions and refusals that are found behind any number of changes of its queue alone', async () => {
    const { viewer, group, rule } = await world({ maxReplicas: 1 });
    const scaler = start();
    const queueChanges = () =>
      fixture.database.query(
        `insert into scaling_events (account_id, container_group_id, wanted, reason, pending, running, ok, message)
         select account_id, container_group_id, wanted, reason, pending + n, running, ok, message
         from generate_series(1, 70) n, (select * from scaling_events order by id desc limit 1) last`,
      );
    await submit(core, viewer, { containerGroupId: group.id });
    await look(scaler);
    await queueChanges();
    api.brokenAbout = group.name;
    await look(scaler);
    await queueChanges();
    const decisions = async (first: number) =>
      (await scalingDecisions(core, await rule(), first)).map(({ wanted, ok, pending }) => ({ wanted, ok, pending }));
    const refused = { wanted: 1, ok: false, pending: 1 };
    expect(await decisions(8)).toEqual([refused, { ...refused, ok: true }]);
    expect(await decisions(1)).toEqual([refused]);
    expect(await scalingHistory(core, await rule(), 1_000)).toHaveLength(142);
  });

  test('is scaled by one rule, whatever account it is of, and by another one when that is gone', async () => {
    const { viewer, group } = await world();
    const other = await fixture.account();
    const with_ = { ...core, provider: provider(), groupChecks: createGroupChecks(provider()) };
    const scaler = start();
    // Made while no provider was there to ask, so that both exist.
    await createScalingRule(core, other.viewer, group.id, { ...TERMS, minReplicas: 9 });
    await look(scaler);
    const rules = await Promise.all([viewer, other.viewer].map((owner) => findScalingRule(core, owner, group.id)));
    const [refused, ...more] = rules.filter(({ answerOk }) => answerOk === false);
    expect([refused?.answer, more]).toEqual([expect.stringContaining('Another scaling rule acts on this group'), []]);
    expect(refused?.groupIdentity).toBeNull();

    const third = await fixture.account();
    expect(await outcomes([createScalingRule(with_, third.viewer, group.id, TERMS)])).toEqual(['CONFLICT']);
    for (const owner of [viewer, other.viewer]) await deleteScalingRule(core, owner, group.id);
    const tries = [1, 2, 3].map(async () => {
      const { viewer: owner } = await fixture.account();
      return createScalingRule(with_, owner, group.id, TERMS);
    });
    expect((await outcomes(tries)).sort()).toEqual(['CONFLICT', 'CONFLICT', 'done']);
  });
});

describe('a provider', () => {
  test('that fails is asked again after one second, two, four … five minutes at most, and at once when it is well', async () => {
    const { viewer, rule } = await world();
    const scaler = start();
    api.answer = (_request, response) => response.writeHead(500).end();
    for (let failures = 1; failures <= 11; failures++) {
      await look(scaler);
      const full = Math.min(2 ** (failures - 1), 300);
      expect(await waits(viewer)).toBeGreaterThanOrEqual(full / 2 - 0.1);
      expect(await waits(viewer)).toBeLessThanOrEqual(full + 0.1);
      expect(await rule()).toMatchObject({ failures, answerOk: false, answer: 'Salad answered with status 500' });
    }
    api.answer = undefined;
    await look(scaler);
    expect(await rule()).toMatchObject({ failures: 0, answerOk: true });
    expect(await waits(viewer)).toBeGreaterThan(50);
  });

  test('that asks to be left alone is, also when the queue changes meanwhile', async () => {
    const { viewer, group } = await world();
    const scaler = start();
    api.answer = (_request, response) => response.writeHead(429, { 'Retry-After': '17' }).end();
    await look(scaler);
    expect(await waits(viewer)).toBeCloseTo(17, 0);
    await submit(core, viewer, { containerGroupId: group.id });
    await core.feed.runOnce();
    expect(await scaler.runOnce()).toEqual({ started: 0 });
    expect(await waits(viewer)).toBeCloseTo(17, 0);
    expect(api.asked).toHaveLength(1);
  });

  test('that does not know the group leaves the rule at rest, until somebody changes the rule', async () => {
    const { viewer, group, rule } = await world();
    const scaler = start();
    api.groups = api.groups.filter((one) => one !== group);
    await look(scaler);
    expect(await rule()).toMatchObject({ orphanedAt: expect.any(Date) as Date, nextActionAt: null, answerOk: false });
    await submit(core, viewer, { containerGroupId: group.id });
    await core.feed.runOnce();
    expect(await scaler.runOnce()).toEqual({ started: 0 });

    api.groups.push(group);
    await updateScalingRule(core, viewer, group.id, { maxReplicas: 5 });
    expect(await scaler.runOnce()).toEqual({ started: 1 });
    await scaler.settled();
    expect(await rule()).toMatchObject({ orphanedAt: null, wanted: 1, answerOk: true });
    expect(group).toMatchObject({ replicas: 1, status: 'deploying' });
  });

  test('that is silent about one group holds up no other, and is not waited for when the server stops', async () => {
    const [slow, quick] = [await world({ minReplicas: 4 }), await world({ minReplicas: 4 })];
    const scaler = start();
    api.silentAbout = slow.group.name;
    await becomeDue();
    expect(await scaler.runOnce()).toEqual({ started: 2 });
    await until('the other group', () => quick.group.replicas === 4 && quick.group.status === 'deploying');
    await until('its rule', async () => (await quick.rule()).answerOk === true);
    expect((await slow.rule()).answerOk).toBeNull();
    await scaler.stop();
    // Another server may act at once.
    expect(await slow.rule()).toMatchObject({ turn: null, answerOk: null });
    api.silentAbout = undefined;
    const next = start();
    await next.runOnce();
    await next.settled();
    expect(slow.group).toMatchObject({ replicas: 4, status: 'deploying' });
  });

  test('that takes too long is trouble of this rule, which says so', async () => {
    const { group, rule } = await world({ minReplicas: 4 });
    api.silentAbout = group.name;
    await look(start({ timeLimitMs: 100 }));
    expect(await rule()).toMatchObject({
      failures: 1,
      answerOk: false,
      answer: expect.stringContaining('in time') as string,
    });
  });
});

describe('two servers', () => {
  let second: OpenCore;
  beforeAll(async () => {
    const options = { databaseUrl: fixture.database.url, masterKey: MASTER_KEY, onError: () => undefined };
    second = await openCore(options);
  });
  afterAll(() => second.close());

  test('never act for the same rule', async () => {
    const worlds = await Promise.all(Array.from({ length: 12 }, () => world({ minReplicas: 3 })));
    const both = [start(), start({ core: second })];
    await becomeDue();
    const runs = await Promise.all(both.map((scaler) => scaler.runOnce()));
    await Promise.all(both.map((scaler) => scaler.settled()));
    expect(runs.reduce((sum, { started }) => sum + started, 0)).toBe(12);
    expect(worlds.map(({ group }) => [group.replicas, group.status])).toEqual(worlds.map(() => [3, 'deploying']));
    expect(changes()).toHaveLength(24);
  });

  test('stand in for each other: what one that has died had begun is done by the other when its turn is over', async () => {
    const { group, rule } = await world({ minReplicas: 3 });
    // What a server leaves that dies right after it has taken its turn.
    const [turn] = await takeTurns(core, 10);
    const other = start({ core: second });
    expect(await look(other)).toBe(0);
    expect((await rule()).turn).toBe(turn?.turn);
    await fixture.database.query('update scaling_rules set turn_ends_at = now()');
    await fixture.database.query('update scaling_rules set next_action_at = now()');
    expect(await other.runOnce()).toEqual({ started: 1 });
    await other.settled();
    expect(group).toMatchObject({ replicas: 3, status: 'deploying' });
    expect(await rule()).toMatchObject({ turn: null, answerOk: true });
  });

  test('that come to the same rule one after the other do not write over what the later one found', async () => {
    const { group, rule } = await world({ minReplicas: 3 });
    const late = start();
    api.silentAbout = group.name;
    await becomeDue();
    await late.runOnce();
    await until('its question', () => api.asked.some((question) => question.includes(group.name)));
    await fixture.database.query('update scaling_rules set turn_ends_at = now(), next_action_at = now()');
    api.silentAbout = undefined;
    const other = start({ core: second });
    expect(await other.runOnce()).toEqual({ started: 1 });
    await other.settled();
    expect(await rule()).toMatchObject({ answerOk: true });
    // Now the first one hears that it was not answered.
    api.hangUp();
    await late.settled();
    expect(await rule()).toMatchObject({ answerOk: true, failures: 0 });
  });
});

test('a queue that changes all the time is looked at once a second, and the last change is not slept through', async () => {
  const { viewer, group, rule } = await world({ maxReplicas: 500 });
  const scaler = start({ onNews: () => loop.poke() });
  const loop = periodic({
    name: 'scaling',
    everyMs: 60_000,
    runOnce: () => scaler.runOnce(),
    onError: (error) => expect(error).toBeNull(),
  });
  loop.start();
  try {
    const end = performance.now() + 2_500;
    let jobs = 0;
    for (; performance.now() < end; jobs++) {
      await submit(core, viewer, { containerGroupId: group.id });
      await core.feed.runOnce();
      // A rule goes up to 500, and a quick machine would not stop there.
      await delay(10);
    }
    await until('the last job to be counted', async () => (await rule()).wanted === jobs);
    const looks = await fixture.database.query<{ at: Date }>('select at from scaling_events order by id');
    const gaps = looks.slice(1).map(({ at }, index) => at.getTime() - looks[index]!.at.getTime());
    expect(gaps.length).toBeGreaterThanOrEqual(1);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(990);
  } finally {
    await loop.stop();
  }
});

/** An agent of the group on this machine; `failures` of its jobs have failed there. */
async function worker({ viewer, group }: Awaited<ReturnType<typeof world>>, machineId: string, failures: number) {
  const containerGroupId = group.id;
  const agent = await registerAgent(core, viewer, {
    machineId,
    containerGroupId,
    sessionId: randomUUID(),
    version: null,
    hardware: null,
  });
  group.instances.push({ id: randomUUID(), machine_id: machineId, state: 'running' });
  for (let failed = 0; failed < failures; failed++) {
    await submit(core, viewer, { containerGroupId, maxFailures: 10 });
    const { lease } = await claim(core, viewer, machineId, containerGroupId, agent.id);
    await finishAttempt(core, viewer, lease, endings.failed);
  }
  return agent;
}

describe('a machine that is banned from five jobs', () => {
  const given = () => changes().filter((question) => question.endsWith('/reallocate'));
  const pass = (interval: string) =>
    fixture.database.query(`update reallocations set at = at - interval '${interval}'`);

  test('is given up once, and again an hour later if it is still there; one of four is kept', async () => {
    const one = await world();
    await worker(one, 'bad', 5);
    await worker(one, 'fair', 4);
    const scaler = start();
    await look(scaler);
    expect(given()).toHaveLength(1);
    expect((await one.rule()).answer).toContain('reallocated bad');
    expect(one.group.instances.map(({ machine_id }) => machine_id)).toEqual(['fair']);

    one.group.instances.push({ id: randomUUID(), machine_id: 'bad', state: 'running' });
    api.asked = [];
    await look(scaler);
    await pass('59 minutes');
    await look(scaler);
    // Not even its instances are asked for.
    expect(api.asked.filter((question) => question.includes('instances'))).toEqual([]);
    await pass('2 minutes');
    await look(scaler);
    expect(given()).toHaveLength(1);
  });

  test('is not given up while an agent works there, although another one there is idle', async () => {
    const one = await world();
    const agent = await worker(one, 'bad', 4);
    await submit(core, one.viewer, { containerGroupId: one.group.id, maxFailures: 10 });
    const fifth = await claim(core, one.viewer, 'bad', one.group.id, agent.id);
    const second = await worker(one, 'bad', 0);
    await submit(core, one.viewer, { containerGroupId: one.group.id });
    const sixth = await claim(core, one.viewer, 'bad', one.group.id, second.id);
    await finishAttempt(core, one.viewer, fifth.lease, endings.failed);
    const scaler = start();
    await look(scaler);
    expect(given()).toEqual([]);
    await finishAttempt(core, one.viewer, sixth.lease, endings.completed);
    await look(scaler);
    expect(given()).toHaveLength(1);
  });

  test('and that its provider will not give up is asked for again five minutes later, and keeps the group from nothing', async () => {
    const one = await world();
    await worker(one, 'bad', 5);
    api.brokenAbout = 'reallocate';
    const scaler = start();
    await look(scaler);
    const said = 'could not reallocate bad: Salad answered with status 500';
    expect(await one.rule()).toMatchObject({
      answerOk: true,
      failures: 0,
      answer: expect.stringContaining(said) as string,
    });
    expect(one.group).toMatchObject({ replicas: 5, status: 'deploying' });
    await look(scaler);
    expect(given()).toHaveLength(1);
    await pass('6 minutes');
    await look(scaler);
    expect(given()).toHaveLength(2);
  });
});

describe('idle machines that are banned from all that is pending', () => {
  test('are wanted for nothing: another one is, for each of them, up to the greatest number, and the job says what would help', async () => {
    const one = await world({ maxReplicas: 2 });
    const containerGroupId = one.group.id;
    const why = async (id: string) =>
      (await whyWaiting(core, [await findJob(core, one.viewer, id)])).get(id)?.split('. ')[0];
    await worker(one, 'first', 0);
    const { id } = await submit(core, one.viewer, { containerGroupId, maxFailures: 9 });
    const failOn = async (machine: string) => {
      const { lease } = await claim(core, one.viewer, machine, containerGroupId);
      await finishAttempt(core, one.viewer, lease, endings.failed);
    };
    await failOn('first');
    expect(await why(id)).toBe(
      'Every connected machine (1) is banned from this job: lift a ban, or connect another machine',
    );
    const scaler = start();
    await look(scaler);
    expect(one.group).toMatchObject({ replicas: 2, status: 'deploying' });
    expect((await one.rule()).reason).toBe('2 = 1 pending + 1 idle but banned from all that is pending');

    await worker(one, 'second', 0);
    await failOn('second');
    await look(scaler);
    expect((await one.rule()).reason).toBe(
      '2 = clamped from 3 by max_replicas (1 pending + 2 idle but banned from all that is pending)',
    );
    expect(await why(id)).toBe(
      'Every connected machine (2) is banned from this job, and its scaling rule allows no more than 2: lift a ban, or raise the maximum',
    );
    await updateScalingRule(core, one.viewer, containerGroupId, { maxReplicas: 5 });
    expect(await why(id)).toBe(
      'Every connected machine (2) is banned from this job: its scaling rule asks for another one',
    );
    await look(scaler);
    expect(one.group.replicas).toBe(3);

    // Whoever may have a job is none of them, and neither is who works.
    await submit(core, one.viewer, { containerGroupId });
    await look(scaler);
    expect((await one.rule()).reason).toBe('2 = 2 pending');
    await claim(core, one.viewer, 'first', containerGroupId);
    await look(scaler);
    expect((await one.rule()).reason).toBe('3 = 1 running + 1 pending + 1 idle but banned from all that is pending');
    await liftBan(core, one.viewer, id, 'second');
    await look(scaler);
    expect((await one.rule()).reason).toBe('2 = 1 running + 1 pending');
  });

  test('or from five jobs, and that their provider keeps, do not stand for a job either', async () => {
    const one = await world();
    await worker(one, 'bad', 5);
    await fixture.database.query(`update jobs set status = 'CANCELED' where container_group_id = $1`, [one.group.id]);
    const { id } = await submit(core, one.viewer, { containerGroupId: one.group.id });
    api.brokenAbout = 'reallocate';
    const scaler = start();
    await look(scaler);
    expect((await one.rule()).reason).toBe('1 = 1 pending');
    await look(scaler);
    expect((await one.rule()).reason).toBe('2 = 1 pending + 1 idle but banned from all that is pending');
    const reason = (await whyWaiting(core, [await findJob(core, one.viewer, id)])).get(id);
    expect(reason).toMatch(
      /^Every connected machine \(1\) is banned from this job, or from 5 others: its scaling rule asks/,
    );
    const told = await scalingHistory(core, await one.rule(), 1);
    expect(told).toMatchObject([{ wanted: 2, pending: 1, running: 0 }]);
  });
});
