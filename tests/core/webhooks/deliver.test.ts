import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '../../../core/accounts/keys.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { deliverDue } from '../../../core/webhooks/deliver.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { startReceiver } from '../../support/receiver.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
const receiver = await startReceiver();
const webhook = `${receiver.url}/hook?from=kelpie`;
afterAll(async () => {
  await receiver.close();
  await close();
});
beforeEach(async () => {
  await database.query('delete from jobs');
  receiver.received.length = 0;
  receiver.answers.length = 0;
});

const deliveries = () => database.query('select * from webhook_deliveries order by created_at');
/** Makes the time pass that lies between two tries. */
const passTime = () => database.query(`update webhook_deliveries set next_try_at = now() - interval '1 second'`);

describe('what a webhook says', () => {
  test('running, then completed: the documented body and nothing else, with the submitter’s key', async () => {
    const { viewer, secret } = await account();
    await createKey(core, { accountId: viewer.accountId, role: 'OWNER' });
    const job = await submit(core, viewer, { webhook });
    const { lease } = await claim(core, viewer, 'machine 1');
    expect(await deliverDue(core)).toEqual({ delivered: 1, failed: 0 });
    await finishAttempt(core, viewer, lease, endings.completed);
    expect(await deliverDue(core)).toEqual({ delivered: 1, failed: 0 });
    const about = { job_id: job.id, machine_id: 'machine 1', container_group_id: 'group' };
    expect(receiver.received.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      { status: 'running', ...about },
      { status: 'completed', ...about },
    ]);
    for (const { method, path, headers } of receiver.received) {
      expect([method, path]).toEqual(['POST', '/hook?from=kelpie']);
      expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-kelpie-key': secret });
    }
  });

  test('failed is told when the job fails for good, not before', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook, maxFailures: 2 });
    for (const machine of ['a', 'b']) {
      await finishAttempt(core, viewer, (await claim(core, viewer, machine)).lease, endings.failed);
    }
    await deliverDue(core);
    const told = receiver.received.map(({ body }) => JSON.parse(body) as { status: string; machine_id: string });
    expect(told.map(({ status, machine_id }) => `${status} ${machine_id}`).sort()).toEqual([
      'failed b',
      'running a',
      'running b',
    ]);
  });

  test('each account’s key goes to its own receiver only', async () => {
    const [one, two] = [await account(), await account()];
    await submit(core, one.viewer, { webhook: `${receiver.url}/one` });
    await submit(core, two.viewer, { webhook: `${receiver.url}/two` });
    await claim(core, one.viewer);
    await claim(core, two.viewer);
    await deliverDue(core);
    const keys = new Map(receiver.received.map(({ path, headers }) => [path, headers['x-kelpie-key']]));
    expect(keys).toEqual(
      new Map([
        ['/one', one.secret],
        ['/two', two.secret],
      ]),
    );
  });
});

describe('a receiver that fails', () => {
  test('is tried again when its time has come, not before, until it takes it', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    receiver.answers.push(500, 404);
    expect(await deliverDue(core)).toEqual({ delivered: 0, failed: 1 });
    expect(await deliverDue(core)).toEqual({ delivered: 0, failed: 0 });
    const [waiting] = await deliveries();
    expect(waiting).toMatchObject({ tries: 1, delivered_at: null, abandoned_at: null });
    expect(waiting?.last_error).toContain('500');
    await passTime();
    expect(await deliverDue(core)).toEqual({ delivered: 0, failed: 1 });
    await passTime();
    expect(await deliverDue(core)).toEqual({ delivered: 1, failed: 0 });
    await passTime();
    expect(await deliverDue(core)).toEqual({ delivered: 0, failed: 0 });
    expect(receiver.received).toHaveLength(3);
    const [row] = await deliveries();
    expect(row?.delivered_at).toBeInstanceOf(Date);
    expect(row).toMatchObject({ tries: 3, last_error: null });
  });

  test('is tried at growing intervals, then given up', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    const waits: number[] = [];
    for (;;) {
      receiver.answers.push(503);
      await deliverDue(core);
      const [row] = await database.query<{ wait: number; abandoned: boolean }>(
        `select extract(epoch from next_try_at - clock_timestamp())::float8 as wait,
                abandoned_at is not null as abandoned
         from webhook_deliveries`,
      );
      if (row?.abandoned === true) break;
      waits.push(row!.wait);
      await passTime();
    }
    expect(waits.length).toBeGreaterThanOrEqual(5);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    await passTime();
    expect(await deliverDue(core)).toEqual({ delivered: 0, failed: 0 });
  });

  test('by not being there is an error that says so', async () => {
    const gone = await startReceiver();
    await gone.close();
    const { viewer } = await account();
    await submit(core, viewer, { webhook: gone.url });
    await claim(core, viewer);
    expect(await deliverDue(core)).toEqual({ delivered: 0, failed: 1 });
    expect((await deliveries())[0]?.last_error).toContain('ECONNREFUSED');
  });

  test('by redirecting is not followed: the key stays with the host it was meant for', async () => {
    const elsewhere = await startReceiver();
    const { viewer } = await account();
    await submit(core, viewer, { webhook });
    await claim(core, viewer);
    receiver.answers.push({ status: 307, location: elsewhere.url });
    expect(await deliverDue(core)).toEqual({ delivered: 0, failed: 1 });
    expect(elsewhere.received).toEqual([]);
    expect((await deliveries())[0]?.last_error).toContain('307');
    await elsewhere.close();
  });

  test('does not hold up the others', async () => {
    const { viewer } = await account();
    await submitJobs(core, viewer, [spec({ webhook }), spec({ webhook: `${receiver.url}/other` })]);
    await claim(core, viewer);
    await claim(core, viewer);
    receiver.answers.push(500);
    expect(await deliverDue(core)).toEqual({ delivered: 1, failed: 1 });
  });
});

test('senders at once send each webhook once', async () => {
  const { viewer } = await account();
  await submitJobs(
    core,
    viewer,
    Array.from({ length: 60 }, () => spec({ webhook })),
  );
  for (let index = 0; index < 60; index++) await claim(core, viewer);
  const sender = async (): Promise<number> => {
    let sent = 0;
    for (let turn = await deliverDue(core); turn.delivered > 0; turn = await deliverDue(core)) sent += turn.delivered;
    return sent;
  };
  const [one, two] = await Promise.all([sender(), sender()]);
  expect(one + two).toBe(60);
  const told = receiver.received.map(({ body }) => (JSON.parse(body) as { job_id: string }).job_id);
  expect(told).toHaveLength(60);
  expect(new Set(told).size).toBe(60);
});
