import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { createKey } from '../../core/accounts/keys.ts';
import { startTestApp } from '../support/app.ts';
import { ask, claimed, mutate, refusal, registered, submitted } from '../support/graphql.ts';
import { hear } from '../support/hear.ts';
import { until } from '../support/until.ts';

const app = await startTestApp();
afterAll(() => app.close());

interface Page {
  nodes: Record<string, unknown>[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

const page = async (key: string, field: string, selection: string): Promise<Page> =>
  (await ask(
    app,
    key,
    `{ ${field} { nodes { ${selection} } pageInfo { hasNextPage endCursor } } }`,
  )) as unknown as Page;

describe('agents', () => {
  test('come newest first, page by page, each once', async () => {
    const { secret: key } = await app.account();
    for (const machine of ['1', '2', '3', '4', '5']) await registered(app, key, machine);
    const seen: unknown[] = [];
    let after = '';
    for (let more = true; more;) {
      const { nodes, pageInfo } = await page(key, `agents(first: 2${after})`, 'machineId state');
      seen.push(...nodes.map(({ machineId }) => machineId));
      expect(nodes.map(({ state }) => state)).toEqual(nodes.map(() => 'IDLE'));
      more = pageInfo.hasNextPage;
      after = `, after: "${pageInfo.endCursor}"`;
    }
    expect(seen).toHaveLength(5);
    expect(new Set(seen).size).toBe(5);
    expect(await page(key, `agents(first: 2${after})`, 'id')).toMatchObject({
      nodes: [],
      pageInfo: { hasNextPage: false, endCursor: after.slice(10, -1) },
    });
  });

  test('are chosen by group, machine and state', async () => {
    const { secret: key } = await app.account();
    await submitted(app, key);
    const busy = await registered(app, key, 'a');
    await claimed(app, key, busy);
    await registered(app, key, 'b');
    await registered(app, key, 'c', 'other');
    const machines = async (filter: string) =>
      (await page(key, `agents(filter: { ${filter} })`, 'machineId')).nodes.map(({ machineId }) => machineId);
    expect(await machines('containerGroupId: "other"')).toEqual(['c']);
    expect(await machines('machineId: "b"')).toEqual(['b']);
    expect(await machines('state: [BUSY, GONE]')).toEqual(['a']);
    expect(await machines('state: []')).toEqual([]);
  });

  test.each([
    ['first: -1', 'first'],
    ['last: 1', 'last'],
    ['before: "x"', 'before'],
    ['after: "x"', 'after'],
    [`after: "${Buffer.from('["2026-01-01T00:00:00.000Z","x"]').toString('base64url')}"`, 'after'],
  ])('asked for with %s are refused by name', async (argument, place) => {
    const { secret: key } = await app.account();
    const { extensions } = await refusal(app, key, `{ agents(${argument}) { nodes { id } } }`);
    expect(extensions).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: [place] }] });
  });

  test('and groups are for who may read', async () => {
    const { secret: key } = await app.account('AGENT');
    for (const query of [
      '{ agents { nodes { id } } }',
      '{ containerGroup(id: "group") { pending } }',
      '{ containerGroups { nodes { id } } }',
    ]) {
      expect((await refusal(app, key, query)).extensions).toEqual({ code: 'FORBIDDEN' });
    }
  });

  test('show what they hold to who may read, and not to an agent', async () => {
    const { secret: owner, viewer } = await app.account();
    const { secret: key } = await createKey(app.core, { accountId: viewer.accountId, role: 'AGENT' });
    const id = await submitted(app, owner, { environment: { SECRET: 's' } });
    const sessionId = randomUUID();
    const input = { machineId: 'm', containerGroupId: 'group', sessionId };
    const agentId = (await mutate(app, key, 'registerAgent', input)).id;
    await claimed(app, key, agentId);
    const [agent] = (await page(owner, 'agents', 'jobs { id attempt { agent { id state } } }')).nodes;
    expect(agent).toEqual({ jobs: [{ id, attempt: { agent: { id: agentId, state: 'BUSY' } } }] });
    const peek = await refusal(
      app,
      key,
      `mutation ($input: RegisterAgentInput!) { registerAgent(input: $input) { ... on Agent { jobs { id } } } }`,
      { input },
    );
    expect(peek.extensions).toEqual({ code: 'FORBIDDEN' });
  });
});

describe('a heartbeat', () => {
  test('with how busy the GPUs are is kept with the agent, at most every 5 seconds', async () => {
    const { secret: key } = await app.account();
    await submitted(app, key);
    const agentId = await registered(app, key);
    const lease = await claimed(app, key, agentId);
    const use = (utilization: number) => ({
      ageMillis: 1_000,
      gpus: [{ index: 0, utilization, memoryUsedBytes: 5e9 }],
    });
    await mutate(app, key, 'heartbeat', { ...lease, gpuSample: use(0.5) });
    await mutate(app, key, 'heartbeat', { ...lease, gpuSample: use(0.9) });
    const shown = async () =>
      (await page(key, 'agents', 'gpuUse { index utilization memoryUsedBytes } gpuUseAt')).nodes[0];
    expect(await shown()).toMatchObject({ gpuUse: [{ index: 0, utilization: 0.5, memoryUsedBytes: '5000000000' }] });
    await app.database.query(`update agents set gpu_use_at = gpu_use_at - interval '6 seconds' where id = $1`, [
      agentId,
    ]);
    await mutate(app, key, 'heartbeat', { ...lease, gpuSample: use(0.9) });
    expect(await shown()).toMatchObject({ gpuUse: [{ utilization: 0.9 }] });
  });

  test.each([
    ['ageMillis', { ageMillis: -1, gpus: [{ index: 0 }] }],
    ['gpus', { ageMillis: 0, gpus: [] }],
    ['gpus', { ageMillis: 0, gpus: Array.from({ length: 65 }, (_, index) => ({ index })) }],
    ['gpus.0.utilization', { ageMillis: 0, gpus: [{ index: 0, utilization: 1.5 }] }],
  ])('with a bad gpuSample.%s is InvalidInput', async (place, gpuSample) => {
    const { secret: key } = await app.account();
    await submitted(app, key);
    const lease = await claimed(app, key, await registered(app, key));
    const refused = await mutate(app, key, 'heartbeat', { ...lease, gpuSample });
    expect(refused.issues.map(({ path }) => path.join('.'))).toEqual([`gpuSample.${place}`]);
  });
});

describe('container groups', () => {
  test('tell their queue and their agents, and are listed by id', async () => {
    const { secret: key } = await app.account();
    await submitted(app, key, { priority: 3, containerGroupId: 'b' });
    await registered(app, key, 'm', 'a');
    const { nodes, pageInfo } = await page(key, 'containerGroups(first: 1)', 'id pending agents { idle }');
    expect(nodes).toEqual([{ id: 'a', pending: 0, agents: { idle: 1 } }]);
    const next = await page(
      key,
      `containerGroups(after: "${pageInfo.endCursor}")`,
      'id pending pendingByPriority { priority pending } emptyInSeconds',
    );
    expect(next).toMatchObject({
      nodes: [{ id: 'b', pending: 1, pendingByPriority: [{ priority: 3, pending: 1 }], emptyInSeconds: null }],
      pageInfo: { hasNextPage: false },
    });
  });

  test('can be followed', async () => {
    const { secret: key } = await app.account();
    const query = `subscription { containerGroupUpdated(id: "group") { pending running agents { idle busy } } }`;
    const { heard, leave } = hear(app.socket(key), query);
    await until('the present state', () => heard.length > 0);
    expect(heard[0]).toEqual({ pending: 0, running: 0, agents: { idle: 0, busy: 0 } });
    await submitted(app, key);
    await claimed(app, key, await registered(app, key));
    const last = { pending: 0, running: 1, agents: { idle: 0, busy: 1 } };
    await until('the claim', () => JSON.stringify(heard.at(-1)) === JSON.stringify(last));
    leave();
  });

  test.each(['', 'x'.repeat(256)])('of an id that cannot be one are refused', async (id) => {
    const { secret: key } = await app.account();
    const { extensions } = await refusal(app, key, `{ containerGroup(id: "${id}") { pending } }`);
    expect(extensions).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['id'] }] });
  });
});

test('progress tells the time left once it can be told', async () => {
  const { secret: key } = await app.account();
  const id = await submitted(app, key);
  const lease = await claimed(app, key, await registered(app, key));
  const left = async () =>
    ((await ask(app, key, `{ job(id: "${id}") { progress { secondsLeft } } }`)) as { progress?: unknown }).progress;
  await mutate(app, key, 'heartbeat', { ...lease, progress: { fraction: 0.25 } });
  expect(await left()).toEqual({ secondsLeft: null });
  await mutate(app, key, 'heartbeat', { ...lease, progress: { fraction: 0.5 } });
  expect(await left()).toEqual({ secondsLeft: expect.any(Number) as number });
});
