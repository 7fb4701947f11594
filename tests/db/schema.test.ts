import { afterAll, describe, expect, test } from 'vitest';
import { openTestCore } from '../support/core.ts';
import { claim, submit } from '../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const { viewer } = await account();

describe('what the database itself holds, whoever writes', () => {
  test('Rule 1: a job cannot have two living attempts', async () => {
    await submit(core, viewer);
    const { id } = await claim(core, viewer);
    const second = database.query(
      `insert into attempts (job_id, number, account_id, container_group_id, machine_id, heartbeat_interval, lease_expires_at)
       values ($1, 2, $2, 'group', 'another', 30, now())`,
      [id, viewer.accountId],
    );
    await expect(second).rejects.toThrow('attempts_live_unique');
  });

  test('Rule 12: a job cannot have two events of one seq', async () => {
    const { id } = await submit(core, viewer);
    const twin = database.query(
      `insert into job_events (job_id, seq, account_id, container_group_id, type, data)
       values ($1, 1, $2, 'group', 'SUBMITTED', '{}')`,
      [id, viewer.accountId],
    );
    await expect(twin).rejects.toThrow('job_events_seq_unique');
  });

  test('Rule 14: an account cannot have two jobs of one idempotency key', async () => {
    await submit(core, viewer, { idempotencyKey: 'one', containerGroupId: 'keys' });
    const { id } = await submit(core, viewer, { idempotencyKey: 'two', containerGroupId: 'keys' });
    const twin = database.query(`update jobs set idempotency_key = 'one' where id = $1`, [id]);
    await expect(twin).rejects.toThrow('jobs_idempotency_key_unique');
  });

  test('an account takes its jobs with it, and a job its attempts, bans and deliveries; its events stay', async () => {
    const other = await account();
    await submit(core, other.viewer, { webhook: 'http://127.0.0.1:9/' });
    const { id } = await claim(core, other.viewer);
    await database.query('delete from accounts where id = $1', [other.viewer.accountId]);
    for (const [table, left] of Object.entries({ attempts: 0, webhook_deliveries: 0, job_events: 2 })) {
      const rows = await database.query(`select 1 from ${table} where job_id = $1`, [id]);
      expect([table, rows.length]).toEqual([table, left]);
    }
  });
});
