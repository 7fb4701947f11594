import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { findAgents, heldJobs, listAgents, type AgentFilter } from '../../../core/agents/find.ts';
import { forgetAgents, forgetSurplusAgents } from '../../../core/agents/forget.ts';
import { connected, disconnected, drainAgent } from '../../../core/agents/presence.ts';
import { registerAgent, registrationSchema } from '../../../core/agents/register.ts';
import { claimForAgent } from '../../../core/agents/work.ts';
import { groupFigures } from '../../../core/groups/figures.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { claimForWorker, finishForWorker, heartbeatOfWorker } from '../../../core/leases/polling.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, endings, runOut, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

const register = (viewer: Viewer, machineId = 'machine', containerGroupId = 'group') =>
  registerAgent(core, viewer, { machineId, containerGroupId, sessionId: randomUUID(), version: null, hardware: null });

/** Makes so much time pass since agents of the account were registered and seen. */
async function silence(viewer: Viewer, seconds: number): Promise<void> {
  await database.query(
    `update agents set last_seen_at = last_seen_at - make_interval(secs => $2::int),
                       registered_at = registered_at - make_interval(secs => $2::int)
     where account_id = $1`,
    [viewer.accountId, seconds],
  );
}

async function states(viewer: Viewer, filter: AgentFilter = {}): Promise<Record<string, string>> {
  const seen = await listAgents(core, viewer, filter, { limit: 100 });
  return Object.fromEntries(seen.map(({ agent, state }) => [agent.machineId, state]));
}

describe('an agent', () => {
  test('is idle, busy, asked to leave, or gone, and a group counts by the same rule', async () => {
    const { viewer } = await account();
    const gone = await register(viewer, 'gone');
    const goneDraining = await register(viewer, 'gone though asked to leave');
    await drainAgent(core, viewer, goneDraining.id);
    await silence(viewer, 31);
    await register(viewer, 'idle');
    const busy = await register(viewer, 'busy');
    const draining = await register(viewer, 'draining');
    await submit(core, viewer);
    await claim(core, viewer, 'busy', 'group', busy.id);
    await submit(core, viewer);
    await claim(core, viewer, 'draining', 'group', draining.id);
    await drainAgent(core, viewer, draining.id);
    expect(await states(viewer)).toEqual({
      ...{ gone: 'GONE', 'gone though asked to leave': 'GONE' },
      ...{ idle: 'IDLE', busy: 'BUSY', draining: 'DRAINING' },
    });
    expect(await states(viewer, { states: ['IDLE', 'BUSY'] })).toEqual({ idle: 'IDLE', busy: 'BUSY' });
    const [figures] = await groupFigures(core, viewer, ['group']);
    expect(figures?.agents).toEqual({ idle: 1, busy: 1, draining: 1, gone: 2 });
    expect((await findAgents(core, viewer, [gone.id])).get(gone.id)?.state).toBe('GONE');
  });

  test('that was not heard of is busy while its lease holds, and gone after', async () => {
    const { viewer } = await account();
    const agent = await register(viewer);
    await submit(core, viewer);
    const { id } = await claim(core, viewer, 'machine', 'group', agent.id);
    await silence(viewer, 60);
    expect(await states(viewer)).toEqual({ machine: 'BUSY' });
    await runOut(database, id);
    expect(await states(viewer)).toEqual({ machine: 'GONE' });
  });

  test('that no server is connected to is there while it asks and while its heart beats', async () => {
    const { viewer } = await account();
    const agent = await register(viewer);
    await silence(viewer, 60);
    await claimForAgent(core, core.signals, viewer, { agentId: agent.id, claimId: undefined });
    expect(await states(viewer)).toEqual({ machine: 'IDLE' });
    await submit(core, viewer);
    const { lease } = await claim(core, viewer, 'machine', 'group', agent.id);
    await silence(viewer, 60);
    await heartbeat(core, viewer, lease);
    await finishAttempt(core, viewer, lease, endings.completed);
    expect(await states(viewer)).toEqual({ machine: 'IDLE' });
  });

  test('is written down as seen at most every ten seconds, however often it asks', async () => {
    const { viewer } = await account();
    const { id, lastSeenAt } = await register(viewer);
    for (let time = 0; time < 3; time++) {
      await claimForAgent(core, core.signals, viewer, { agentId: id, claimId: undefined });
    }
    const seen = (await findAgents(core, viewer, [id])).get(id);
    expect(seen?.agent.lastSeenAt).toEqual(lastSeenAt);
  });

  test('tells which jobs it holds, to who may read', async () => {
    const [{ viewer }, stranger] = [await account(), await account()];
    const agent = await register(viewer);
    await submit(core, viewer);
    const { id } = await claim(core, viewer, 'machine', 'group', agent.id);
    expect((await heldJobs(core, viewer, [agent.id])).get(agent.id)?.map((job) => job.id)).toEqual([id]);
    expect(await heldJobs(core, stranger.viewer, [agent.id])).toEqual(new Map());
    await expect(heldJobs(core, { ...viewer, role: 'AGENT' }, [agent.id])).rejects.toThrow('may read');
  });

  test('of another account is absent', async () => {
    const [{ viewer }, stranger] = [await account(), await account()];
    const agent = await register(viewer);
    expect(await listAgents(core, stranger.viewer, {}, { limit: 10 })).toEqual([]);
    expect(await findAgents(core, stranger.viewer, [agent.id])).toEqual(new Map());
  });
});

describe('a polling worker', () => {
  const worker = { machineId: 'poller', containerGroupId: 'group' };

  test('is an agent from its first question on, once, and busy while it holds a job', async () => {
    const { viewer } = await account();
    await claimForWorker(core, viewer, worker);
    await claimForWorker(core, viewer, worker);
    expect(await states(viewer)).toEqual({ poller: 'IDLE' });
    expect(await listAgents(core, viewer, {}, { limit: 10 })).toHaveLength(1);
    const { id } = await submit(core, viewer);
    await claimForWorker(core, viewer, worker);
    await silence(viewer, 60);
    expect(await states(viewer)).toEqual({ poller: 'BUSY' });
    const [{ agent } = { agent: undefined }] = await listAgents(core, viewer, {}, { limit: 10 });
    expect([...(await heldJobs(core, viewer, [agent?.id ?? ''])).values()].flat().map((job) => job.id)).toEqual([id]);
    await heartbeatOfWorker(core, viewer, id, worker);
    await finishForWorker(core, viewer, id, worker, endings.completed);
    expect(await states(viewer)).toEqual({ poller: 'IDLE' });
    await silence(viewer, 60);
    const [figures] = await groupFigures(core, viewer, ['group']);
    expect(figures?.agents).toEqual({ idle: 0, busy: 0, draining: 0, gone: 1 });
  });
});

describe('forgetting', () => {
  const DAY = 86_400;

  test('removes in batches what was not heard of for so many days, and nothing that holds a job', async () => {
    const { viewer } = await account();
    await database.query(
      `insert into agents (account_id, machine_id, container_group_id, session_id)
       select $1, 'old ' || n, 'group', gen_random_uuid() from generate_series(1, 1200) n`,
      [viewer.accountId],
    );
    const holder = await register(viewer, 'holder');
    await submit(core, viewer);
    await claim(core, viewer, 'holder', 'group', holder.id);
    await submit(core, viewer);
    await claimForWorker(core, viewer, { machineId: 'poller', containerGroupId: 'group' });
    await silence(viewer, 6 * DAY);
    expect(await forgetAgents(core, 7)).toEqual({ forgotten: 0 });
    await silence(viewer, 2 * DAY);
    const old = await register(viewer, 'old, but here');
    await database.query(`update agents set registered_at = registered_at - interval '9 days' where id = $1`, [old.id]);
    expect(await forgetAgents(core, 7)).toEqual({ forgotten: 1_200 });
    expect(Object.keys(await states(viewer)).toSorted()).toEqual(['holder', 'old, but here', 'poller']);
  });
});

describe('agents without end', () => {
  const KEPT = { gonePerGroup: 1_000, gonePerAccount: 1_000, goneAfterSeconds: 300, idlePerAccount: 10_000 };
  const crowd = (viewer: Viewer, count: number, group: string) =>
    database.query(
      `insert into agents (account_id, machine_id, container_group_id, session_id)
       select $1, $3 || ' ' || n, $3, gen_random_uuid() from generate_series(1, $2::int) n`,
      [viewer.accountId, count, group],
    );

  test('are forgotten when they are gone, those that were seen last excepted; who is there or holds a job stays', async () => {
    const [{ viewer }, other] = [await account(), await account()];
    await crowd(viewer, 700, 'crowd');
    await crowd(other.viewer, 8, 'crowd');
    const holder = await register(viewer, 'holder', 'crowd');
    await submit(core, viewer, { containerGroupId: 'crowd' });
    await claim(core, viewer, 'holder', 'crowd', holder.id);
    await submit(core, viewer, { containerGroupId: 'crowd' });
    await claimForWorker(core, viewer, { machineId: 'poller', containerGroupId: 'crowd' });
    await silence(viewer, 600);
    await silence(other.viewer, 600);
    await database.query(`update agents set last_seen_at = now() - interval '400 s' where machine_id like 'crowd 9_'`);
    await register(viewer, 'present', 'crowd');
    expect(await forgetSurplusAgents(core, { ...KEPT, gonePerGroup: 10, gonePerAccount: 1_000 })).toEqual({
      forgotten: 690,
    });
    const kept = Array.from({ length: 10 }, (_, n) => `crowd 9${n}`);
    expect(Object.keys(await states(viewer)).toSorted()).toEqual([...kept, 'holder', 'poller', 'present'].toSorted());
    expect(Object.keys(await states(other.viewer))).toHaveLength(8);
  });

  test('are forgotten also where each is in a group of its own', async () => {
    const { viewer } = await account();
    for (let n = 0; n < 12; n += 1) await crowd(viewer, 1, `group ${n}`);
    await silence(viewer, 600);
    const kept = { ...KEPT, gonePerGroup: 10, gonePerAccount: 11 };
    expect(await forgetSurplusAgents(core, kept)).toEqual({ forgotten: 1 });
    expect(await forgetSurplusAgents(core, { ...kept, goneAfterSeconds: 900, gonePerAccount: 5 })).toEqual({
      forgotten: 0,
    });
    expect(Object.keys(await states(viewer))).toHaveLength(11);
  });

  test('are forgotten also while they are heard of: who has a connection, came last or holds a job stays', async () => {
    const [{ viewer }, other] = [await account(), await account()];
    const [known, left] = [await register(viewer, 'connected'), await register(viewer, 'was connected')];
    await connected(core, known, 1);
    await disconnected(core, left, (await connected(core, left, 1))!, 5);
    const holder = await register(viewer, 'holder', 'crowd');
    await submit(core, viewer, { containerGroupId: 'crowd' });
    await claim(core, viewer, 'holder', 'crowd', holder.id);
    await submit(core, viewer, { containerGroupId: 'crowd' });
    await claimForWorker(core, viewer, { machineId: 'poller', containerGroupId: 'crowd' });
    await silence(viewer, 100);
    await crowd(viewer, 700, 'crowd');
    await silence(viewer, 100);
    await crowd(viewer, 19, 'newest');
    await crowd(other.viewer, 20, 'crowd');
    await database.query('update agents set last_seen_at = now()');
    expect(await forgetSurplusAgents(core, { ...KEPT, idlePerAccount: 20 })).toEqual({ forgotten: 701 });
    const newest = Array.from({ length: 19 }, (_, n) => `newest ${n + 1}`);
    expect(Object.keys(await states(viewer)).toSorted()).toEqual(
      ['connected', ...newest, 'holder', 'poller'].toSorted(),
    );
    expect(Object.keys(await states(other.viewer))).toHaveLength(20);
  });

  test('that register again and again write what is new, and nothing twice', async () => {
    const { viewer } = await account();
    const sessionId = randomUUID();
    const again = (hardware: Record<string, string | string[]> | null) =>
      registerAgent(core, viewer, { machineId: 'm', containerGroupId: 'g', sessionId, version: null, hardware });
    const { id, lastSeenAt } = await again(null);
    const said = { words: Array.from({ length: 200 }, randomUUID) };
    expect((await again(said)).hardware).toEqual(said);
    const kept = async () => {
      const [row] = await database.query<{ chunk: string | null }>(
        'select pg_column_toast_chunk_id(hardware)::text as chunk from agents where id = $1',
        [id],
      );
      return row?.chunk;
    };
    const chunk = await kept();
    expect(chunk).toMatch(/^\d+$/);
    expect(await again(said)).toMatchObject({ id, lastSeenAt, hardware: said });
    expect(await again(null)).toMatchObject({ id, lastSeenAt, hardware: said });
    expect(await kept()).toBe(chunk);
    await silence(viewer, 60);
    expect((await again({ words: 'others' })).hardware).toEqual({ words: 'others' });
    expect(await states(viewer)).toEqual({ m: 'IDLE' });
  });

  test('cannot come as fast as somebody likes: who is known is found, who polls gets work, and other accounts have their own count', async () => {
    const few = await openTestCore({ newcomers: { most: 2, windowSeconds: 600 } });
    onTestFinished(() => few.close());
    const [{ viewer }, other] = [await few.account(), await few.account()];
    const sessions = [randomUUID(), randomUUID(), randomUUID()] as const;
    const comes = (sessionId: string, who = viewer, machineId = 'machine') =>
      registerAgent(few.core, who, {
        ...{ machineId, containerGroupId: 'group', sessionId },
        ...{ version: null, hardware: null },
      });
    const first = await comes(sessions[0]);
    await comes(sessions[1]);
    await expect(comes(sessions[2])).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 600 });
    expect(await comes(sessions[0], viewer, 'moved')).toMatchObject({ id: first.id, machineId: 'moved' });
    await comes(sessions[2], other.viewer);

    const { id } = await submit(few.core, viewer);
    const job = await claimForWorker(few.core, viewer, { machineId: 'made up', containerGroupId: 'group' });
    expect(job?.id).toBe(id);
    expect(await few.database.query(`select from agents where machine_id = 'made up'`)).toEqual([]);
  });

  test('say no more than 8 KiB of their hardware, whatever the characters', () => {
    const said = (words: string) =>
      registrationSchema.safeParse({
        ...{ machineId: 'm', containerGroupId: 'g', sessionId: randomUUID() },
        hardware: { words },
      }).success;
    expect(said('x'.repeat(8_000))).toBe(true);
    expect(said('x'.repeat(8_192))).toBe(false);
    expect(said('字'.repeat(2_800))).toBe(false);
  });
});
