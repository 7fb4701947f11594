import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createSaladProvider } from '../../../../core/scaling/providers/salad.ts';
import { GroupNotFound, ProviderTrouble } from '../../../../core/scaling/provider.ts';
import { startSaladGroups, type SaladGroups } from '../../../support/salad-groups.ts';
import { behavesAsProvider, behavesOverHttp } from './suite.ts';

const KEY = 'salad-key-of-the-operator';
const never = new AbortController().signal;
let api: SaladGroups;
beforeAll(async () => {
  api = await startSaladGroups(KEY);
});
afterEach(() => {
  api.answer = undefined;
  api.answersLeft = Infinity;
  api.asked = [];
});
afterAll(() => api.close());

async function make(options: { perMinute?: number; timeLimitMs?: number } = {}) {
  const id = randomUUID();
  const group = {
    id,
    name: `group-${id}`,
    replicas: 1,
    status: 'stopped',
    instances: [] as SaladGroups['groups'][0]['instances'],
  };
  api.groups.push(group);
  return {
    group,
    provider: createSaladProvider({ apiUrl: api.url, apiKey: KEY, ...options }),
    server: api,
    ref: { accountId: randomUUID(), containerGroupId: id, organization: 'acme', project: 'lab' },
    machines: (count: number) => {
      group.instances = Array.from({ length: count }, () => {
        return { id: randomUUID(), machine_id: randomUUID(), state: 'running' };
      });
    },
  };
}

describe('Salad', () => {
  behavesAsProvider(make);
  behavesOverHttp(make);

  test('is asked for a group by its name once that is known, and a group of the same name but another id is not found', async () => {
    const { provider, ref, group } = await make();
    await provider.get(ref, never);
    api.asked = [];
    expect(await provider.get(ref, never)).toEqual({
      identity: group.id,
      name: group.name,
      status: 'STOPPED',
      replicas: 1,
    });
    expect(api.asked).toEqual([`GET /${group.name}`]);
    group.id = randomUUID();
    await expect(provider.get(ref, never)).rejects.toThrow(ref.containerGroupId);
  });

  test.each([
    ['2', 2_000],
    [undefined, 60_000],
  ])('is left alone after a 429 with Retry-After %s, by every rule', async (retryAfter, expected) => {
    const { provider, ref } = await make();
    api.answer = (_request, response) => {
      response.writeHead(429, retryAfter === undefined ? {} : { 'Retry-After': retryAfter }).end('{}');
    };
    const first = await provider.get(ref, never).catch((error: unknown) => error);
    expect(first).toBeInstanceOf(ProviderTrouble);
    expect(first).toMatchObject({ message: 'Salad answered with status 429', retryAfterMs: expected });
    await expect(provider.get({ ...ref, containerGroupId: 'another' }, never)).rejects.toBeInstanceOf(ProviderTrouble);
    expect(api.asked).toHaveLength(1);
  });

  test('is asked 240 times a minute and no more, by all rules together', async () => {
    const { provider, ref } = await make();
    const other = await make();
    for (let times = 0; times < 120; times++) {
      await provider.get(ref, never);
      await provider.get(other.ref, never);
    }
    for (const each of [ref, other.ref]) {
      const refused: unknown = await provider.get(each, never).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(ProviderTrouble);
      const { retryAfterMs = 0 } = refused as ProviderTrouble;
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    }
    expect(api.asked).toHaveLength(240);
  });

  test('in trouble with one group is asked for the others all the same, whatever rest it asks for', async () => {
    const { provider, ref } = await make();
    api.answer = (_request, response) => response.writeHead(503, { 'Retry-After': '60' }).end('{}');
    await expect(provider.get(ref, never)).rejects.toMatchObject({ retryAfterMs: 60_000 });
    api.answer = undefined;
    const other = await make();
    expect(await provider.get(other.ref, never)).toMatchObject({ name: other.group.name });
  });

  test('is not asked at all with names of which no path should be made', async () => {
    const { provider, ref } = await make();
    for (const organization of ['..', 'acme/projects', 'Acme', '']) {
      await expect(provider.get({ ...ref, organization }, never)).rejects.toBeInstanceOf(GroupNotFound);
    }
    expect(api.asked).toEqual([]);
  });

  test('that is silent, broken or somebody else is trouble, and the key is in no message', async () => {
    const { provider, ref } = await make({ timeLimitMs: 200 });
    const answers: SaladGroups['answer'][] = [
      () => undefined,
      (_request, response) => response.writeHead(500).end('oops'),
      (_request, response) => response.writeHead(403, { 'Content-Type': 'application/json' }).end('{}'),
      (_request, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"items": 5}'),
      (_request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>'),
    ];
    for (const answer of answers) {
      api.answer = answer;
      const error = await provider.get(ref, never).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(ProviderTrouble);
      expect(String(error)).not.toContain(KEY);
    }
  });
});
