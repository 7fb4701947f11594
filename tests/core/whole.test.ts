import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { retryJob } from '../../core/jobs/retry.ts';
import { saveCheckpoint } from '../../core/leases/checkpoint.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import { rescueExpired } from '../../core/leases/rescue.ts';
import type { LeaseRef } from '../../core/leases/terms.ts';
import { openTestCore } from '../support/core.ts';
import { allRows, claim, endings, runOut, submit, tryClaim } from '../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const { viewer } = await account();

await database.query(`
  create function refuse() returns trigger language plpgsql as
  $$ begin raise exception 'refused by the test'; end $$`);

const webhook = 'http://127.0.0.1:9/hook';

/** Each flow that writes, what it stands on, and the tables that it must write together. */
const flows: {
  name: string;
  given: () => Promise<LeaseRef>;
  flow: (lease: LeaseRef) => Promise<unknown>;
  tables: string[];
}[] = [
  {
    name: 'a submission',
    given: async () => ({ jobId: '', attempt: 0 }),
    flow: () => submit(core, viewer),
    tables: ['jobs', 'job_events'],
  },
  {
    name: 'a claim',
    given: async () => ({ jobId: (await submit(core, viewer, { webhook })).id, attempt: 0 }),
    flow: () => tryClaim(core, viewer, 'machine'),
    tables: ['jobs', 'attempts', 'job_events', 'webhook_deliveries'],
  },
  {
    name: 'a completion',
    given: running,
    flow: (lease) => finishAttempt(core, viewer, lease, endings.completed),
    tables: ['jobs', 'attempts', 'job_events', 'webhook_deliveries'],
  },
  {
    name: 'a last failure',
    given: running,
    flow: (lease) => finishAttempt(core, viewer, lease, endings.failed),
    tables: ['jobs', 'attempts', 'job_events', 'webhook_deliveries', 'bans'],
  },
  {
    name: 'a rescue',
    given: async () => {
      const lease = await running();
      await runOut(database);
      return lease;
    },
    flow: () => rescueExpired(core),
    tables: ['jobs', 'attempts', 'job_events'],
  },
  {
    name: 'a resumption',
    given: async () => {
      const lease = await running();
      await runOut(database);
      await rescueExpired(core);
      return lease;
    },
    flow: (lease) => heartbeat(core, viewer, lease),
    tables: ['jobs', 'attempts', 'job_events'],
  },
  {
    name: 'a checkpoint',
    given: running,
    flow: ({ jobId, attempt }) =>
      saveCheckpoint(
        core.em.fork(),
        { account_id: viewer.accountId, job_id: jobId, attempt },
        { files: 1, bytes: '9', newestKeys: ['key'] },
      ),
    tables: ['jobs', 'attempts', 'job_events'],
  },
  {
    name: 'a cancel',
    given: running,
    flow: ({ jobId }) => cancelJob(core, viewer, jobId),
    tables: ['jobs', 'attempts', 'job_events'],
  },
  {
    name: 'a retry',
    given: async () => {
      const lease = await running();
      await cancelJob(core, viewer, lease.jobId);
      return lease;
    },
    flow: ({ jobId }) => retryJob(core, viewer, jobId),
    tables: ['jobs', 'job_events'],
  },
];

async function running(): Promise<LeaseRef> {
  await submit(core, viewer, { webhook, maxFailures: 1 });
  return (await claim(core, viewer, 'machine')).lease;
}

describe('Rule 11: state, attempt, event and delivery are written together or not at all', () => {
  const cases = flows.flatMap(({ tables, ...rest }) => tables.map((table) => ({ ...rest, table })));

  test.each(cases)('$name of which $table cannot be written leaves nothing behind', async ({ given, flow, table }) => {
    const lease = await given();
    const before = await allRows(database);
    await database.query(
      `create trigger refuse before insert or update on ${table} for each row execute function refuse()`,
    );
    try {
      await expect(flow(lease)).rejects.toThrow('refused by the test');
    } finally {
      await database.query(`drop trigger refuse on ${table}`);
    }
    expect(await allRows(database)).toEqual(before);
    // The same flow does work when nobody stands in its way, so it was the trigger that failed it.
    await flow(lease);
    expect(await allRows(database)).not.toEqual(before);
    await database.query('delete from jobs');
  });

  test('a delivery exists for a claim, a completion and a failure for good, and for nothing else', async () => {
    const [webhooks, without] = [await submit(core, viewer, { webhook, maxFailures: 2 }), await submit(core, viewer)];
    await finishAttempt(core, viewer, (await claim(core, viewer, 'a')).lease, endings.released);
    await finishAttempt(core, viewer, (await claim(core, viewer, 'a')).lease, endings.failed);
    await finishAttempt(core, viewer, (await claim(core, viewer, 'b')).lease, endings.failed);
    await retryJob(core, viewer, webhooks.id);
    await cancelJob(core, viewer, webhooks.id);
    await finishAttempt(core, viewer, (await claim(core, viewer, 'c')).lease, endings.completed);
    const rows = await database.query<{ job_id: string; status: string; attempt: number; machine_id: string }>(
      'select job_id, status, attempt, machine_id from webhook_deliveries order by created_at, attempt, status desc',
    );
    expect(rows.filter((row) => row.job_id === without.id)).toEqual([]);
    expect(rows.map(({ status, attempt, machine_id }) => `${status} ${attempt} ${machine_id}`)).toEqual([
      'running 1 a',
      'running 2 a',
      'running 3 b',
      'failed 3 b',
    ]);
  });
});
