import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createFeed } from '../../../core/events/feed.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { createAlone } from '../../../core/leases/alone.ts';
import { createLeaseTurns } from '../../../core/leases/lease-turns.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { createReports } from '../../../core/leases/reports.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, eventTypes, submit } from '../../support/jobs.ts';
import { allToBeSettled } from '../../support/settled.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore({ news: { everyMs: 1 } });
const clients: pg.Client[] = [];
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await close();
});

// Else a feed that begins would be told what the tests before have left.
beforeEach(() => allToBeSettled(database));

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  clients.push(client);
  return client;
}

/** Appends an event within whatever transaction the client is in. @returns its job, which nobody else writes to */
async function append(client: pg.Client): Promise<string> {
  const id = randomUUID();
  await client.query(
    `insert into job_events (job_id, seq, account_id, container_group_id, type, data)
     values ($1, 1, $1, 'group', 'SUBMITTED', '{}')`,
    [id],
  );
  return id;
}

/** By default none that waits so long for a transaction that a test of order could take longer. */
async function startFeed(options: Parameters<typeof createFeed>[1] = { oldMs: 60_000 }) {
  const feed = createFeed(core, options);
  await feed.begin();
  const heard: string[] = [];
  const settled: string[] = [];
  feed.listen((event) => heard.push(event.jobId));
  feed.listenSettled((event) => settled.push(event.jobId));
  return { feed, heard, settled };
}

function isSubset(ids: string[], ...of: string[][]): boolean {
  return of.every((others) => ids.every((id) => others.includes(id)));
}

/** Advisory locks of this database: others of the same cluster are other tests'. */
const OURS = "locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())";

describe('Rule 12: the feed', () => {
  test('hands out nothing of what happened before it began', async () => {
    const { viewer } = await account();
    await submit(core, viewer);
    const { feed, heard } = await startFeed();
    await feed.runOnce();
    expect(heard).toEqual([]);
  });

  test('nor while an older transaction is open, beyond which the feed cannot settle', async () => {
    const older = await connect();
    await older.query('begin');
    const late = await append(older);
    await append(await connect());
    const { feed, heard } = await startFeed();
    await feed.runOnce();
    expect(heard).toEqual([]);
    await older.query('commit');
    await feed.runOnce();
    expect(heard).toEqual([late]);
  });

  test('an event that commits late is not skipped, and holds up nobody', async () => {
    const [one, two] = [await connect(), await connect()];
    const { feed, heard } = await startFeed();
    await one.query('begin');
    const older = await append(one);
    const younger = await append(two);
    await feed.runOnce();
    expect(heard).toEqual([younger]);
    await one.query('commit');
    await feed.runOnce();
    expect(heard).toEqual([younger, older]);
    await feed.runOnce();
    expect(heard).toHaveLength(2);
  });

  test('a transaction that is rolled back holds nobody up afterwards, and is not told of', async () => {
    const [one, two] = [await connect(), await connect()];
    const { feed, heard } = await startFeed();
    await one.query('begin');
    await append(one);
    const told = await append(two);
    await one.query('rollback');
    await until('the event that was committed', async () => {
      await feed.runOnce();
      return heard.length > 0;
    });
    expect(heard).toEqual([told]);
  });

  test('whatever the order of commits, every committed event is handed out once to every reader', async () => {
    const writers = await Promise.all(Array.from({ length: 4 }, connect));
    const moves = fc.array(
      fc.record({
        writer: fc.integer({ min: 0, max: writers.length - 1 }),
        move: fc.constantFrom('append', 'commit', 'rollback', 'read'),
      }),
      { minLength: 10, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(moves, async (plan) => {
        const [often, once, impatient] = [await startFeed(), await startFeed(), await startFeed({ oldMs: 0 })];
        const open = new Map<number, string[]>();
        const committed: string[] = [];
        for (const { writer, move } of plan) {
          const client = writers[writer]!;
          const mine = open.get(writer);
          if (move === 'append') {
            if (mine === undefined) await client.query('begin');
            open.set(writer, [...(mine ?? []), await append(client)]);
          } else if (move === 'read') {
            await Promise.all([often.feed.runOnce(), impatient.feed.runOnce()]);
          } else if (mine !== undefined) {
            await client.query(move);
            open.delete(writer);
            if (move === 'commit') committed.push(...mine);
          }
        }
        for (const [writer, mine] of open) {
          await writers[writer]!.query('commit');
          committed.push(...mine);
        }
        await until('every committed event', async () => {
          await Promise.all([often, once, impatient].map(({ feed }) => feed.runOnce()));
          return [once, often, impatient].every(({ heard, settled }) => isSubset(committed, heard, settled));
        });
        const rows = await database.query<{ job_id: string }>(
          'select job_id from job_events where job_id = any($1) order by xid, id',
          [committed],
        );
        // What was committed before a feed began, and not settled then, settles while it runs.
        const mine = (ids: string[]) => ids.filter((id) => committed.includes(id));
        for (const { settled } of [once, often, impatient]) {
          expect(mine(settled)).toEqual(rows.map(({ job_id }) => job_id));
        }
        expect(once.heard.toSorted()).toEqual(committed.toSorted());
        expect(often.heard.toSorted()).toEqual(committed.toSorted());
      }),
      { numRuns: 20 },
    );
  });

  test('more events than fit one reading are all handed out', async () => {
    const { viewer } = await account();
    const { feed, heard } = await startFeed();
    const jobs = [
      ...(await submitJobs(
        core,
        viewer,
        Array.from({ length: 1_000 }, () => spec()),
      )),
      ...(await submitJobs(
        core,
        viewer,
        Array.from({ length: 200 }, () => spec()),
      )),
    ];
    await until('1,200 events', async () => {
      await feed.runOnce();
      return heard.length >= 1_200;
    });
    expect(heard).toEqual(jobs.map((job) => job.id));
  });

  test('what is not settled when one batch is read is not passed because all is when the next one is', async () => {
    const { feed, heard, settled } = await startFeed();
    const [holder, older, writer] = [await connect(), await connect(), await connect()];
    holder.on('error', () => undefined);
    await holder.query('select pg_advisory_lock(42)');
    const late = randomUUID();
    const insert = (count: string) => `insert into job_events (job_id, seq, account_id, container_group_id, type, data)
      select id, 1, id, 'group', 'SUBMITTED', '{}' from (select gen_random_uuid() as id from generate_series(1, ${count})) as made`;
    // Its commit waits for the lock, and needs nobody here when that is free.
    const committed = older.query(
      `begin; ${insert('1').replace('gen_random_uuid()', `'${late}'::uuid`)}; select pg_advisory_xact_lock(42); commit`,
    );
    await until('the older transaction to wait', async () => {
      const { rows } = await writer.query(`select from pg_locks where ${OURS} and not granted`);
      return rows.length > 0;
    });
    await writer.query(insert('1000'));
    // Nothing else happens in this process between the two batches: another one ends the transaction and goes on.
    const meanwhile = `
      import pg from 'pg';
      const client = new pg.Client({ connectionString: ${JSON.stringify(database.url)} });
      await client.connect();
      await client.query("select pg_terminate_backend(pid) from pg_locks where ${OURS} and granted");
      while ((await client.query("select 1 from job_events where job_id = '${late}'")).rows.length === 0);
      await client.query(${JSON.stringify(insert('1'))});
      await client.end();`;
    feed.listen(() => {
      if (heard.length === 1_000) execFileSync(process.execPath, ['--input-type=module', '--eval', meanwhile]);
    });
    await feed.runOnce();
    await committed;
    // Short transactions of other databases of the server hold back what is settled, too.
    await until('all to be settled', async () => {
      await feed.runOnce();
      return settled.length >= 1_002;
    });
    expect([heard.length, new Set(heard).size]).toEqual([1_002, 1_002]);
    expect([settled.length, new Set(settled).size]).toEqual([1_002, 1_002]);
    expect(settled[0]).toBe(late);
  });

  test('what comes while an old transaction stays open is hinted at and passed, and settles once it has ended', async () => {
    const [one, two] = [await connect(), await connect()];
    await one.query('begin');
    const older = await append(one);
    const { feed, heard, settled } = await startFeed({ oldMs: 0 });
    const younger: string[] = [];
    for (let count = 0; count < 4; count++) {
      younger.push(await append(two));
      await feed.runOnce();
    }
    expect([heard, settled]).toEqual([younger, []]);
    // Nothing is read again, so nothing has to be remembered, once all that is open here or in other databases is old.
    await until('nothing to be read', async () => {
      const { events, unsettled } = await feed.runOnce();
      return events + unsettled === 0;
    });
    expect([heard, settled]).toEqual([younger, []]);
    const late = await append(one);
    await one.query('commit');
    const last = await append(two);
    await until('all to be settled', async () => {
      await feed.runOnce();
      return settled.length >= 7;
    });
    expect(settled).toEqual([older, late, ...younger, last]);
    expect(new Set(heard)).toEqual(new Set(settled));
    await feed.runOnce();
    expect(settled).toHaveLength(7);
  });

  test('however many are held up, all are hinted at, and only so many are remembered', async () => {
    const [one, two] = [await connect(), await connect()];
    await one.query('begin');
    await append(one);
    const { feed, heard } = await startFeed({ oldMs: 60_000, mostRemembered: 3 });
    const younger: string[] = [];
    for (let count = 0; count < 5; count++) younger.push(await append(two));
    await feed.runOnce();
    expect(heard).toEqual(younger);
    await feed.runOnce();
    expect(heard.length).toBeGreaterThan(5);
    await one.query('rollback');
  });

  test('a listener that has left hears no more', async () => {
    const { viewer } = await account();
    const { feed, heard } = await startFeed();
    const late: string[] = [];
    const leave = feed.listen((event) => late.push(event.type));
    leave();
    await submit(core, viewer);
    await until('the event', async () => {
      await feed.runOnce();
      return heard.length > 0;
    });
    expect(late).toEqual([]);
  });
});

test('Rule 12: a job’s events are numbered without gaps, also when many write at once', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer);
  const { lease } = await claim(core, viewer);
  // At one server those of one lease come one after the other.
  const servers = Array.from({ length: 3 }, () => ({
    ...core,
    report: createReports(core, createAlone()),
    heartbeatTurns: createLeaseTurns(),
  }));
  const began = performance.now();
  await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      heartbeat(servers[index % 3] ?? core, viewer, lease, {
        phase: index % 2 === 0 ? 'RUNNING' : 'UPLOADING',
        progress: { fraction: index / 30, message: null, metrics: null },
      }),
    ),
  );
  const seconds = Math.floor((performance.now() - began) / 1_000);
  const rows = await database.query<{ seq: number }>('select seq from job_events where job_id = $1 order by seq', [id]);
  expect(rows.map((row) => row.seq)).toEqual(rows.map((_, index) => index + 1));
  const types = await eventTypes(database, id);
  expect(types.filter((type) => type === 'PHASE_CHANGED').length).toBeGreaterThanOrEqual(1);
  // However many tell it at once, progress is an event once a second.
  const told = types.filter((type) => type === 'PROGRESSED').length;
  expect(told).toBeGreaterThanOrEqual(1);
  // Some jitter is forgiven once.
  expect(told).toBeLessThanOrEqual(2 + seconds);
});
