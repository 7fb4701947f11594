import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { RateLimitedError } from '../../core/errors.ts';
import { claimForWorker } from '../../core/leases/polling.ts';
import { createDoor } from '../../server/auth.ts';
import { createBodies } from '../../server/bodies.ts';
import { createExecutionPlaces } from '../../server/execution-places.ts';
import { defaultLimits } from '../../server/limits.ts';
import { createLeaseNames, type NamedBy } from '../../server/own-leases.ts';
import { createRates, createSocketSigns } from '../../server/rate.ts';
import { createRest } from '../../server/rest/index.ts';
import { openTestCore } from '../support/core.ts';
import { submit } from '../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const never = () => new AbortController().signal;

/** Nothing can be looked up until it is released; statements that are about leases wait. */
async function holdLeases() {
  const client = new pg.Client(database.url);
  await client.connect();
  onTestFinished(() => client.end());
  await client.query('begin; lock table attempts in access exclusive mode');
  const waiting = async () =>
    (await database.query("select from pg_locks where not granted and relation = 'attempts'::regclass")).length;
  return { waiting, release: () => client.query('commit') };
}

async function asker(): Promise<NamedBy> {
  const { viewer } = await account();
  return { viewer, credential: `key ${viewer.keyId}` };
}

const madeUp = () => ({ jobId: randomUUID(), machineId: 'machine' });

describe('names of leases', () => {
  test('are found for one account while another makes up a thousand', async () => {
    const names = createLeaseNames(core);
    const [flood, quiet] = [await asker(), await asker()];
    const { id } = await submit(core, quiet.viewer);
    await claimForWorker(core, quiet.viewer, { machineId: 'machine', containerGroupId: 'group' });
    const gate = await holdLeases();
    let drained = 0;
    const flooding = Array.from({ length: 1_000 }, async () => {
      await names(flood, { lease: madeUp(), gone: never });
      drained += 1;
    });
    const first = names(quiet, { lease: { jobId: id, machineId: 'machine' }, gone: never }).then((name) => ({
      name,
      drained,
    }));
    await gate.release();
    const { name, drained: before } = await first;
    expect(name).toBe(`${id} machine machine`);
    expect(before).toBeLessThan(20);
    await Promise.all(flooding);
  });

  test('are refused, with when to ask again, to who has a thousand looked up already', async () => {
    const names = createLeaseNames(core);
    const flood = await asker();
    const other = { ...flood, credential: 'another key of the account' };
    const gate = await holdLeases();
    const looked = Array.from({ length: 1_003 }, () => names(flood, { lease: madeUp(), gone: never }));
    const refused = await names(flood, { lease: madeUp(), gone: never }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RateLimitedError);
    expect(refused).toMatchObject({ retryAfterSeconds: 1 });
    expect(String(refused)).toContain('at most 1000 leases');
    const others = names(other, { lease: madeUp(), gone: never });
    await gate.release();
    expect(new Set(await Promise.all([...looked, others]))).toEqual(new Set([undefined]));
  });

  test('are not looked up for who has hung up', async () => {
    const names = createLeaseNames(core);
    const leaving = new AbortController();
    const by = await asker();
    const gate = await holdLeases();
    const before = Array.from({ length: 3 }, () => names(by, { lease: madeUp(), gone: never }));
    const gone = names(by, { lease: madeUp(), gone: () => leaving.signal });
    // As signals of requests do.
    leaving.abort('Client connection prematurely closed.');
    await expect(gone).rejects.toMatchObject({ name: 'AbortError' });
    await gate.release();
    await Promise.all(before);
  });

  test('that are none are remembered for a moment, and known ones for long', async () => {
    // However long this machine takes to have the leases held.
    const names = createLeaseNames(core, { missedMs: 600_000 });
    const by = await asker();
    const { id } = await submit(core, by.viewer);
    await claimForWorker(core, by.viewer, { machineId: 'machine', containerGroupId: 'group' });
    const reports = [madeUp(), { jobId: id, machineId: 'machine' }].map((lease) => ({ lease, gone: never }));
    const asked = () => Promise.all(reports.map((report) => names(by, report)));
    const answers = await asked();
    expect(answers).toEqual([undefined, `${id} machine machine`]);
    const gate = await holdLeases();
    expect(await asked()).toEqual(answers);
    expect(await gate.waiting()).toBe(0);
    await gate.release();
  });
});

test('a fleet that comes back over sockets keeps its leases: none of its first heartbeats is looked up, and none refused', async () => {
  const door = createDoor({ core, rates: createRates({ perKey: 1, refusalsPerAddress: 0 }) });
  const who = await asker();
  const gate = await holdLeases();
  const beat = (lease: { jobId: string; attempt: number }, signs = createSocketSigns()) =>
    door.countOn(who, { kind: 'AGENTS', lease, signs });
  await Promise.all(Array.from({ length: 5_000 }, () => beat({ jobId: randomUUID(), attempt: 1 })));
  // Beyond a few leases of one socket, what is said counts with what else the agents of the key say: fifty in five seconds.
  const signs = createSocketSigns();
  const told = await Promise.allSettled(
    Array.from({ length: 60 }, () => beat({ jobId: randomUUID(), attempt: 1 }, signs)),
  );
  expect(told.filter(({ status }) => status === 'fulfilled')).toHaveLength(54);
  expect(await gate.waiting()).toBe(0);
  await gate.release();
});

test('a worker that hangs up while its lease waits to be looked up is no fault that the log tells', async () => {
  const names = createLeaseNames(core);
  const by = await asker();
  const asked = Promise.withResolvers<undefined>();
  const faults: string[] = [];
  const rest = createRest({
    core,
    viewerOf: () => Promise.resolve(by.viewer),
    callerOf: async ({ signal }) => ({
      viewer: by.viewer,
      count: async (lease) => {
        asked.resolve(undefined);
        await names(by, { lease, gone: () => signal });
      },
    }),
    ready: () => Promise.resolve(),
    log: { error: (_, message) => void faults.push(message) },
    stopping: never(),
    bodies: createBodies(defaultLimits),
    places: createExecutionPlaces(),
  });
  const gate = await holdLeases();
  const before = Array.from({ length: 3 }, () => names(by, { lease: madeUp(), gone: never }));
  const leaving = new AbortController();
  const answer = rest.fetch(
    new Request(`http://here/jobs/${randomUUID()}/heartbeat`, {
      method: 'POST',
      body: JSON.stringify({ machine_id: 'machine', container_group_id: 'group' }),
      signal: leaving.signal,
    }),
  );
  await asked.promise;
  leaving.abort('Client connection prematurely closed.');
  await answer;
  expect(faults).toEqual([]);
  await gate.release();
  await Promise.all(before);
});
