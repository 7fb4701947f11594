import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createGroupChecks } from '../../../core/scaling/checks.ts';
import { GroupNotFound, ProviderTrouble } from '../../../core/scaling/provider.ts';
import { createSaladProvider } from '../../../core/scaling/providers/salad.ts';
import { createScalingRule } from '../../../core/scaling/rules.ts';
import { openTestCore } from '../../support/core.ts';
import { outcomes } from '../../support/jobs.ts';
import { startSaladGroups } from '../../support/salad-groups.ts';
import { until } from '../../support/until.ts';

const KEY = 'salad-key-of-the-operator';
const never = new AbortController().signal;
const terms = { minReplicas: 1, maxReplicas: 5, idleThresholdSeconds: 60 };
const home = { organization: 'acme', project: 'lab' };
const api = await startSaladGroups(KEY);
const newProvider = (perMinute?: number) =>
  createSaladProvider({ apiUrl: api.url, apiKey: KEY, ...home, ...(perMinute !== undefined && { perMinute }) });
const provider = newProvider();
const fixture = await openTestCore({ provider });
afterAll(async () => {
  await fixture.close();
  await api.close();
});
beforeEach(() => {
  api.asked = [];
  api.answersLeft = Infinity;
});

function newGroup(): string {
  const id = randomUUID();
  api.groups.push({ id, name: `group-${id}`, replicas: 1, status: 'stopped', instances: [] });
  return id;
}

const refOf = (containerGroupId: string, accountId = 'account') => ({ accountId, containerGroupId, ...home });

async function timesUntilTrouble(ask: () => Promise<unknown>): Promise<number> {
  for (let times = 0; ; times++) {
    const error = await ask().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    expect(error).toBeInstanceOf(ProviderTrouble);
    return times;
  }
}

describe('the look for the group of a new rule', () => {
  test('for those that there are not is ten a minute of one account, which leaves the provider to others and to rules that act', async () => {
    const { core } = fixture;
    const [hostile, other] = await Promise.all([fixture.account(), fixture.account()]);
    const tries = [];
    for (let time = 0; time < 260; time++)
      tries.push(() => createScalingRule(core, hostile.viewer, randomUUID(), terms));
    const told: string[] = [];
    for (const make of tries) told.push(...(await outcomes([make()])));
    expect(told).toEqual([...Array<string>(10).fill('INVALID_INPUT'), ...Array<string>(250).fill('RATE_LIMITED')]);
    expect(api.asked).toHaveLength(10);
    const id = newGroup();
    expect(await outcomes([createScalingRule(core, other.viewer, id, terms)])).toEqual(['done']);
    expect(await provider.get(refOf(id), never)).toMatchObject({ identity: id });
  });

  test('is one at a time of one account, while others have theirs', async () => {
    const checks = createGroupChecks(provider);
    api.answersLeft = 0;
    const asked = [1, 2, 3].map(() => checks.find(refOf(randomUUID(), 'a'), never));
    const ended = Promise.allSettled(asked);
    await until('one to be asked', () => api.asked.length === 1);
    api.answersLeft = Infinity;
    await expect(checks.find(refOf(randomUUID(), 'b'), never)).rejects.toBeInstanceOf(GroupNotFound);
    expect(api.asked).toHaveLength(2);
    api.hangUp();
    await ended;
    expect(api.asked).toHaveLength(4);
  });

  test('is refused to who has too many that wait', async () => {
    const checks = createGroupChecks(provider);
    api.answersLeft = 0;
    const leaving = new AbortController();
    const asked = Array.from({ length: 22 }, () => checks.find(refOf(randomUUID()), leaving.signal));
    const ended = Promise.allSettled(asked);
    await expect(asked[21]).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    leaving.abort(new Error('gone'));
    await ended;
  });

  test('for one that there is not is answered from memory for a while', async () => {
    const id = randomUUID();
    const checks = createGroupChecks(provider);
    for (let time = 0; time < 30; time++) {
      await expect(checks.find(refOf(id), never)).rejects.toBeInstanceOf(GroupNotFound);
    }
    expect(api.asked).toHaveLength(1);
    const forgetful = createGroupChecks(provider, { missedMs: 0 });
    const late = newGroup();
    const [group] = api.groups.splice(-1);
    await expect(forgetful.find(refOf(late), never)).rejects.toBeInstanceOf(GroupNotFound);
    if (group !== undefined) api.groups.push(group);
    expect(await forgetful.find(refOf(late), never)).toMatchObject({ identity: late });
  });

  test('lets a script make rules for fifty groups that there are, one after the other', async () => {
    const checks = createGroupChecks(newProvider());
    for (let time = 0; time < 50; time++) {
      const id = newGroup();
      expect(await checks.find(refOf(id), never)).toMatchObject({ identity: id });
    }
  });

  test('is a hundred a minute of one account, whatever the provider allows', async () => {
    const checks = createGroupChecks(newProvider(10_000));
    const id = newGroup();
    for (let time = 0; time < 100; time++) await checks.find(refOf(id), never);
    await expect(checks.find(refOf(id), never)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(await checks.find(refOf(id, 'another'), never)).toMatchObject({ identity: id });
  });

  test('takes half of what Salad answers, and leaves the rest to rules that act', async () => {
    const id = newGroup();
    const small = newProvider(48);
    const checked: number[] = [];
    for (const account of ['a', 'b', 'c']) {
      const check = () => small.get(refOf(id, account), never, { isCheck: true });
      checked.push(await timesUntilTrouble(check));
    }
    // Five in six of what the others have left of half.
    expect(checked).toEqual([20, 4, 0]);
    expect(await timesUntilTrouble(() => small.get(refOf(id), never))).toBe(24);
    expect(api.asked).toHaveLength(48);
  });

  test('takes nothing that rules that act have used', async () => {
    const id = newGroup();
    const small = newProvider(10);
    for (let time = 0; time < 8; time++) await small.get(refOf(id), never);
    expect(await timesUntilTrouble(() => small.get(refOf(id), never, { isCheck: true }))).toBe(2);
  });
});
