import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { appendLogs } from '../../../core/logs/append.ts';
import { createAlone } from '../../../core/leases/alone.ts';
import { createAppends } from '../../../core/logs/appending.ts';
import { tailLogs } from '../../../core/logs/read.ts';
import type { Core } from '../../../core/core.ts';
import { openTestCore } from '../../support/core.ts';
import { allRows, claim, endings, outcomes, runOut, submit } from '../../support/jobs.ts';
import { append, shown } from '../../support/logs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

async function working() {
  const { viewer } = await account();
  await submit(core, viewer);
  const job = await claim(core, viewer);
  const read = async (tail = 10_000) => (await tailLogs(core, viewer, job, { tail })).lines.map(shown);
  return { viewer, job, lease: job.lease, read };
}

describe('appending to a log', () => {
  test('keeps lines in order, with their streams, texts and times', async () => {
    const { viewer, job, lease } = await working();
    const lines = [
      { stream: 'STDOUT' as const, afterMillis: 0, text: 'one' },
      { stream: 'STDERR' as const, afterMillis: 1_500, text: '' },
      { stream: 'KELPIE' as const, afterMillis: 90_000_000_000, text: 'grüße 🐴 "quoted" \\ \t' },
    ];
    expect(await appendLogs(core, viewer, lease, { offset: 0, lines })).toEqual({ nextOffset: 3 });
    const { lines: read } = await tailLogs(core, viewer, job, { tail: 10 });
    const [attempt] = await database.query<{ started_at: Date }>('select started_at from attempts where job_id = $1', [
      job.id,
    ]);
    const begun = attempt!.started_at.getTime();
    expect(read).toEqual(
      lines.map(({ afterMillis, ...line }, offset) => {
        return { ...line, attempt: 1, offset, at: new Date(begun + afterMillis) };
      }),
    );
  });

  test('twice, in part or at once, stores each line once', async () => {
    const { viewer, lease, read } = await working();
    expect(await append(core, viewer, lease, 0, 'a', 'b')).toBe(2);
    expect(await append(core, viewer, lease, 0, 'a', 'b')).toBe(2);
    expect(await append(core, viewer, lease, 0, 'a')).toBe(2);
    expect(await append(core, viewer, lease, 1, 'b', 'c', 'd')).toBe(4);
    await Promise.all([1, 2, 3, 4].map(() => append(core, viewer, lease, 4, 'e', 'f')));
    expect(await append(core, viewer, lease, 6)).toBe(6);
    expect(await read()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  test('of different lines at the same instant by two servers takes one, and tells the other to come again', async () => {
    const { viewer, lease, read } = await working();
    const other: Core = { ...core, append: createAppends(core, createAlone()) };
    const tries = await core.em.fork().transactional(async (em) => {
      await em.execute('select from attempts where job_id = ? for update', [lease.jobId]);
      const both = [append(core, viewer, lease, 0, 'a'), append(other, viewer, lease, 0, 'b', 'c')] as const;
      // Both have begun, and see the log as it was.
      await until('both to wait', async () => (await waiting()) === both.length);
      return both;
    });
    const [first, second] = await Promise.all(tries);
    expect([first, second]).toEqual(first === 0 ? [0, 2] : [1, 0]);
    expect(await read()).toEqual(first === 0 ? ['b', 'c'] : ['a']);
    expect(await append(core, viewer, lease, 0, 'b', 'c', 'd')).toBe(3);
  });

  test('with numbers left out, says so where they are missing', async () => {
    const { viewer, lease, read } = await working();
    await append(core, viewer, lease, 2, 'c');
    expect(await append(core, viewer, lease, 10, 'k')).toBe(11);
    const lines = await read();
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^\[kelpie\] 7 lines were not kept here/);
  });

  test('another account, another attempt, no such job: all the same refusal, and nothing changes', async () => {
    const { viewer, lease } = await working();
    const { viewer: stranger } = await account();
    const { viewer: reader } = await account('VIEWER');
    const before = await allRows(database);
    const tries = [
      append(core, stranger, lease, 0, 'x'),
      append(core, viewer, { ...lease, attempt: 2 }, 0, 'x'),
      append(core, viewer, { ...lease, jobId: randomUUID() }, 0, 'x'),
      append(core, reader, lease, 0, 'x'),
    ];
    expect(await outcomes(tries)).toEqual(['LEASE_LOST', 'LEASE_LOST', 'LEASE_LOST', 'FORBIDDEN']);
    expect(await allRows(database)).toEqual(before);
  });
});

describe('a log is closed', () => {
  test.each(Object.entries(endings))('when its attempt has ended: %s', async (_name, ending) => {
    const { viewer, lease, read } = await working();
    await append(core, viewer, lease, 0, 'before');
    await finishAttempt(core, viewer, lease, ending);
    await expect(append(core, viewer, lease, 1, 'after')).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await read()).toEqual(['before']);
  });

  test('when its job was canceled', async () => {
    const { viewer, job, lease } = await working();
    await cancelJob(core, viewer, job.id);
    await expect(append(core, viewer, lease, 0, 'after')).rejects.toMatchObject({ code: 'LEASE_LOST' });
  });

  test('while its attempt is believed lost, and opens again when that comes back', async () => {
    const { viewer, lease, read } = await working();
    await runOut(database, lease.jobId);
    expect(await append(core, viewer, lease, 0, 'nobody has noticed')).toBe(1);
    await rescueExpired(core);
    await expect(append(core, viewer, lease, 1, 'lost')).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await heartbeat(core, viewer, lease);
    expect(await append(core, viewer, lease, 1, 'back')).toBe(2);
    expect(await read()).toEqual(['nobody has noticed', 'back']);
  });

  test('and goes with its job', async () => {
    const { viewer, lease } = await working();
    await append(core, viewer, lease, 0, 'x');
    await database.query('delete from jobs where id = $1', [lease.jobId]);
    expect(await database.query('select from job_logs where job_id = $1', [lease.jobId])).toEqual([]);
  });
});

describe('a log is bounded', () => {
  const small: Core = { ...core, logBytes: 40_000 };

  test('its first and its last part stay, and what is missing between is counted', async () => {
    const { viewer, lease, read } = await working();
    const numbered = (from: number) => Array.from({ length: 20 }, (_, index) => `${from + index} ${'x'.repeat(60)}`);
    let most = 0;
    for (let offset = 0; offset < 2_000; offset += 20) {
      await append(small, viewer, lease, offset, ...numbered(offset));
      if (offset % 500 === 0) most = Math.max(most, await storedBytes(lease.jobId));
    }
    most = Math.max(most, await storedBytes(lease.jobId));
    // Within one chunk, as large as they are here.
    expect(most).toBeLessThan(40_000 + 20 * 90);
    expect(most).toBeGreaterThan(36_000);

    const lines = await read();
    const gap = lines.findIndex((line) => line.startsWith('[kelpie]'));
    const [, missing] = /^\[kelpie\] (\d+) lines were not kept/.exec(lines[gap]!) ?? [];
    const numbers = lines.filter((_, index) => index !== gap).map((line) => Number(line.split(' ')[0]));
    expect(numbers.slice(0, gap)).toEqual(Array.from({ length: gap }, (_, index) => index));
    expect(numbers.slice(gap)).toEqual(
      Array.from({ length: numbers.length - gap }, (_, i) => gap + Number(missing) + i),
    );
    expect(numbers.at(-1)).toBe(1_999);
    expect(gap).toBeGreaterThan(200);
    expect(numbers.length - gap).toBeGreaterThan(200);
  });

  test('its tail is read without what is not asked for', async () => {
    const { viewer, lease, read } = await working();
    for (let offset = 0; offset < 30; offset += 3) {
      await append(core, viewer, lease, offset, ...[0, 1, 2].map((index) => String(offset + index)));
    }
    expect(await read(4)).toEqual(['26', '27', '28', '29']);
    expect(await read(3)).toEqual(['27', '28', '29']);
    expect(await read(0)).toEqual([]);
    expect(await read(10_000)).toHaveLength(30);
  });

  test('many small pieces cost what keeping them costs', async () => {
    const { viewer, lease } = await working();
    for (let offset = 0; offset < 100; offset += 1)
      await append({ ...core, logBytes: 4_000 }, viewer, lease, offset, 'x');
    const rows = await database.query('select from job_logs where job_id = $1', [lease.jobId]);
    expect(rows.length).toBeLessThan(4_000 / 100);
  });
});

/** How many statements wait for a row that another holds. */
async function waiting(): Promise<number> {
  const rows = await database.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows.length;
}

async function storedBytes(jobId: string): Promise<number> {
  const [row] = await database.query<{ bytes: number }>(
    'select coalesce(sum(octet_length(content::text)), 0)::int as bytes from job_logs where job_id = $1',
    [jobId],
  );
  return row!.bytes;
}
