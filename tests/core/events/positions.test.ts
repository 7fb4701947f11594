import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createFeed } from '../../../core/events/feed.ts';
import { cursorOf, isAfter, positionOf } from '../../../core/events/position.ts';
import type { JobEvent } from '../../../db/entities/job-event.ts';
import { openTestCore } from '../../support/core.ts';
import { submit } from '../../support/jobs.ts';
import { allToBeSettled } from '../../support/settled.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
const clients: pg.Client[] = [];
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await close();
});

// Else a reader that starts would be told what the tests before have left.
beforeEach(() => allToBeSettled(database));

/** A connection that is within a transaction, and has an xid from the start. */
async function begin(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  clients.push(client);
  await client.query('begin');
  await client.query('select pg_current_xact_id()');
  return client;
}

/** An event as every flow writes it: the job's row is held, and counts. */
async function append(client: pg.Client, jobId: string, type = 'PROGRESSED'): Promise<void> {
  await client.query(
    `with job as (update jobs set event_seq = event_seq + 1 where id = $1 returning *)
     insert into job_events (job_id, seq, account_id, container_group_id, type, data)
     select id, event_seq, account_id, container_group_id, $2, '{}' from job`,
    [jobId, type],
  );
}

/** What a strict reader that starts now is told; not the submission, which another transaction may have kept from being settled. */
async function strictReader() {
  const feed = createFeed(core);
  await feed.begin();
  const told: JobEvent[] = [];
  feed.listenSettled((event) => {
    if (event.seq > 1) told.push(event);
  });
  const of = (jobId: string) => told.filter((event) => event.jobId === jobId).map((event) => event.seq);
  return { read: () => feed.runOnce(), told, of };
}

describe('Rule 12: a place in the feed', () => {
  test('a transaction that is older, and gets the job later, stands behind the younger one that had the job before it', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    const reader = await strictReader();
    const oldest = await begin();
    const between = await begin();
    const youngest = await begin();
    await append(youngest, id);
    await youngest.query('commit');
    await append(oldest, id);
    await oldest.query('commit');
    // By their own xids the later event would be settled here, and the earlier one not.
    await reader.read();
    expect(reader.of(id)).toEqual([]);
    await between.query('commit');
    await until('both events', async () => {
      await reader.read();
      return reader.of(id).length === 2;
    });
    expect(reader.of(id)).toEqual([2, 3]);
  });

  test('also of several events of one transaction', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    const [older, younger] = [await begin(), await begin()];
    await append(younger, id);
    await append(younger, id);
    await younger.query('commit');
    await append(older, id);
    await append(older, id);
    await older.query('commit');
    const rows = await database.query<{ seq: number }>(
      'select seq from job_events where job_id = $1 order by xid, id',
      [id],
    );
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  test('with many writers at many jobs, in any order of commits, nothing is skipped, repeated, or told before its predecessor', async () => {
    const { viewer } = await account();
    const jobs = await Promise.all(Array.from({ length: 5 }, async () => (await submit(core, viewer)).id));
    const reader = await strictReader();
    let writing = true;
    const reading = (async () => {
      while (writing) await reader.read();
    })();
    await Promise.all(Array.from({ length: 8 }, (_, writer) => write(jobs, writer)));
    writing = false;
    await reading;
    const rows = await database.query<{ id: string; job_id: string }>(
      'select id, job_id from job_events where job_id = any($1) and seq > 1 order by xid, id',
      [jobs],
    );
    await until('all to be settled', async () => {
      await reader.read();
      return reader.told.length >= rows.length;
    });
    expect(reader.told.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    for (const job of jobs) expect(reader.of(job)).toEqual(reader.of(job).map((_, index) => index + 2));
    expect(rows.length).toBeGreaterThan(200);
  });

  test('is a text that can be taken back, and is in order', () => {
    const [early, late] = [
      { xid: '9', id: '18' },
      { xid: '10', id: '17' },
    ];
    expect(positionOf('after', cursorOf(late))).toEqual(late);
    expect(isAfter(late, early)).toBe(true);
    expect(isAfter(early, late)).toBe(false);
    expect(isAfter(early, early)).toBe(false);
    expect(isAfter({ xid: '9', id: '100' }, early)).toBe(true);
  });

  test.each([
    '',
    'x',
    Buffer.from('p:1').toString('base64url'),
    Buffer.from('18446744073709551616:1').toString('base64url'),
    Buffer.from('1:9223372036854775808').toString('base64url'),
    Buffer.from('-1:1').toString('base64url'),
  ])('%j is none', (text) => {
    expect(() => positionOf('after', text)).toThrow('after: Expected the cursor of an event');
  });
});

/** Transactions of one writer: two jobs each, locked in one order, with an xid taken before; some are rolled back. */
async function write(jobs: readonly string[], writer: number): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  clients.push(client);
  for (let round = 0; round < 25; round++) {
    await client.query('begin');
    await client.query('select pg_current_xact_id()');
    const first = (writer + round) % jobs.length;
    const second = (first + 1 + (round % (jobs.length - 1))) % jobs.length;
    for (const index of [Math.min(first, second), Math.max(first, second)]) {
      await append(client, jobs[index] ?? randomUUID());
    }
    await client.query(round % 7 === 3 ? 'rollback' : 'commit');
  }
}
