import { afterAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { ForbiddenError } from '../../../core/errors.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import type { LogChunk } from '../../../core/logs/follow.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, endings, runOut, submit } from '../../support/jobs.ts';
import { append, readLines } from '../../support/logs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

async function working() {
  const { viewer } = await account();
  await submit(core, viewer);
  const { id, lease } = await claim(core, viewer);
  return { viewer, id, lease };
}

/** Reads what comes next, with whatever moves the news going on meanwhile, as the server's loops would. */
async function lines(chunks: AsyncGenerator<LogChunk>, count: number): Promise<string[]> {
  let isRead = false;
  const reading = readLines(chunks, count).finally(() => (isRead = true));
  reading.catch(() => undefined);
  while (!isRead) {
    await core.feed.runOnce();
    await core.logFollowers.runOnce();
    await core.keyWatch.runOnce();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return reading;
}

const end = (machine: string, what: string, attempt = 1) =>
  `[kelpie] Attempt ${attempt} on machine ${machine} ended: ${what}`;

describe('following a log', () => {
  test('gives what is there, then what comes, then how the attempt ended, and ends with the job', async () => {
    const { viewer, id, lease } = await working();
    await append(core, viewer, lease, 0, 'a', 'b');
    const chunks = core.logFollowers.follow(viewer, id, {});
    expect(await lines(chunks, 2)).toEqual(['a', 'b']);
    await append(core, viewer, lease, 2, 'c');
    expect(await lines(chunks, 1)).toEqual(['c']);
    await append(core, viewer, lease, 3, 'd');
    await finishAttempt(core, viewer, lease, endings.completed);
    expect(await lines(chunks, Infinity)).toEqual(['d', end('machine', 'COMPLETED')]);
    expect(await core.logFollowers.runOnce()).toEqual({ followed: 0, woken: 0 });
  });

  test('goes on with later attempts, and says why each ended', async () => {
    const { viewer, id, lease } = await working();
    const chunks = core.logFollowers.follow(viewer, id, {});
    await append(core, viewer, lease, 0, 'first');
    const failed = { ...endings.failed, reason: 'It said:\nhorrible\nthings', exitCode: 3 };
    await finishAttempt(core, viewer, lease, failed);
    expect(await lines(chunks, 2)).toEqual(['first', end('machine', 'FAILED (exit code 3)')]);

    const second = await claim(core, viewer, 'another');
    await append(core, viewer, second.lease, 0, 'second');
    await finishAttempt(core, viewer, second.lease, endings.released);
    const third = await claim(core, viewer, 'third');
    await append(core, viewer, third.lease, 0, 'third');
    await cancelJob(core, viewer, id);
    expect(await lines(chunks, Infinity)).toEqual([
      'second',
      end('another', 'RELEASED (the agent was told to stop)', 2),
      'third',
      end('third', 'CANCELED (Canceled by a person or a program with a key of the account)', 3),
    ]);
  });

  test('of an attempt that is believed lost and comes back goes on', async () => {
    const { viewer, id, lease } = await working();
    const chunks = core.logFollowers.follow(viewer, id, {});
    await append(core, viewer, lease, 0, 'a');
    await runOut(database, id);
    await rescueExpired(core);
    const lost = await lines(chunks, 2);
    expect(lost[0]).toBe('a');
    expect(lost[1]).toContain('ended: LOST (');
    await heartbeat(core, viewer, lease);
    await append(core, viewer, lease, 1, 'b');
    expect(await lines(chunks, 2)).toEqual(['[kelpie] Attempt 1 is back', 'b']);
    await runOut(database, id);
    await rescueExpired(core);
    await lines(chunks, 1);
    await finishAttempt(core, viewer, lease, endings.completed);
    expect(await lines(chunks, Infinity)).toEqual([end('machine', 'COMPLETED')]);
  });

  test('of a job that nobody has claimed waits; one that ends so has nothing to say', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    const reading = lines(core.logFollowers.follow(viewer, id, {}), Infinity);
    await cancelJob(core, viewer, id);
    expect(await reading).toEqual([]);
  });
});

describe('where it begins', () => {
  async function told(start: Parameters<typeof core.logFollowers.follow>[2]) {
    const { viewer, id, lease } = await working();
    for (let offset = 0; offset < 9; offset += 3) {
      await append(core, viewer, lease, offset, String(offset), String(offset + 1), String(offset + 2));
    }
    await finishAttempt(core, viewer, lease, endings.released);
    const { lease: second } = await claim(core, viewer);
    await append(core, viewer, second, 0, 'x', 'y', 'z');
    await finishAttempt(core, viewer, second, endings.completed);
    const all = await lines(core.logFollowers.follow(viewer, id, start), Infinity);
    return all.map((line) => (line.startsWith('[kelpie]') ? '|' : line)).join('');
  }

  test.each([
    [{}, 'xyz|'],
    [{ attempt: 1 }, '012345678|xyz|'],
    [{ attempt: 1, fromOffset: 4 }, '45678|xyz|'],
    [{ attempt: 1, fromOffset: 9 }, '|xyz|'],
    [{ attempt: 1, fromOffset: 2_000_000_000 }, '|xyz|'],
    [{ fromOffset: 2 }, 'z|'],
    [{ tail: 2 }, 'yz|'],
    [{ tail: 100 }, 'xyz|'],
    [{ attempt: 1, tail: 0 }, '|xyz|'],
    [{ attempt: 1, tail: 4 }, '5678|xyz|'],
    [{ attempt: 7 }, ''],
  ])('%j', async (start, expected) => {
    expect(await told(start)).toBe(expected);
  });

  test('each chunk says where to go on, wherever its reader stopped', async () => {
    const { viewer, id, lease } = await working();
    for (let offset = 0; offset < 5; offset += 1)
      await append(core, viewer, lease, offset, `${offset} ${'x'.repeat(8_000)}`);
    await finishAttempt(core, viewer, lease, endings.completed);
    let place: { attempt: number; fromOffset: number } | undefined;
    const seen: string[] = [];
    for (;;) {
      const chunks = core.logFollowers.follow(viewer, id, place ?? {});
      const { value } = await chunks.next();
      await chunks.return();
      if (value === undefined) throw new Error('the log has ended too early');
      seen.push(...value.lines.map(({ text }) => text.slice(0, 1)));
      if (value.lines.some(({ stream }) => stream === 'KELPIE')) break;
      place = { attempt: value.attempt, fromOffset: value.nextOffset };
    }
    expect(seen).toEqual(['0', '1', '2', '3', '4', 'A']);
  });
});

describe('who follows', () => {
  test('a slow reader is told what is no longer there', async () => {
    const { viewer, id, lease } = await working();
    const chunks = core.logFollowers.follow(viewer, id, {});
    await append(core, viewer, lease, 0, 'first');
    expect(await lines(chunks, 1)).toEqual(['first']);
    const small = { ...core, logBytes: 2_000 };
    for (let offset = 1; offset < 40; offset += 1) await append(small, viewer, lease, offset, `${offset}`);
    await finishAttempt(core, viewer, lease, endings.completed);
    const rest = await lines(chunks, Infinity);
    expect(rest[0]).toBe('1');
    expect(rest.filter((line) => line.includes('not kept here'))).toHaveLength(1);
    expect(rest.at(-2)).toBe('39');
  });

  test('another account’s job, and one that there is not, are the same absence', async () => {
    const { id } = await working();
    const { viewer: stranger } = await account();
    const absent = '00000000-0000-4000-8000-000000000001';
    const first = (jobId: string) => core.logFollowers.follow(stranger, jobId, {}).next();
    await expect(first(id)).rejects.toThrow(`There is no job ${id} in this account`);
    await expect(first(absent)).rejects.toThrow(`There is no job ${absent} in this account`);
  });

  test('a key that may not read is refused', async () => {
    const { id } = await working();
    const { viewer } = await account('AGENT');
    await expect(core.logFollowers.follow(viewer, id, {}).next()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('a key that has ended is refused also while nobody has claimed the job yet', async () => {
    const { viewer } = await account();
    const { id } = await submit(core, viewer);
    const chunks = core.logFollowers.follow(viewer, id, {});
    const reading = lines(chunks, 1);
    await until('it is followed', async () => (await core.logFollowers.runOnce()).followed === 1);
    await database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    await expect(reading).rejects.toThrow(ForbiddenError);
    expect(await core.logFollowers.runOnce()).toEqual({ followed: 0, woken: 0 });
  });

  test.each(['revoked_at', 'expires_at'])('a key that has ended (%s) is refused from then on', async (column) => {
    const { viewer, id, lease } = await working();
    const chunks = core.logFollowers.follow(viewer, id, {});
    await append(core, viewer, lease, 0, 'a');
    expect(await lines(chunks, 1)).toEqual(['a']);
    await database.query(`update api_keys set ${column} = now() where id = $1`, [viewer.keyId]);
    await expect(lines(chunks, 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('a reader that leaves is forgotten, also while nothing happens', async () => {
    const { viewer, id } = await working();
    const chunks = core.logFollowers.follow(viewer, id, {});
    const waiting = chunks.next();
    expect((await core.logFollowers.runOnce()).followed).toBe(1);
    await chunks.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect((await core.logFollowers.runOnce()).followed).toBe(0);
  });

  test('one key may follow a hundred at a time', async () => {
    const { viewer, id } = await working();
    const open = Array.from({ length: 100 }, () => follow(viewer, id));
    expect(() => core.logFollowers.follow(viewer, id, {})).toThrow('This key follows 100 logs');
    const { viewer: other } = await account();
    expect(() => core.logFollowers.follow(other, id, {})).not.toThrow();
    await Promise.all(open.map((chunks) => chunks.return(undefined)));
    expect(() => core.logFollowers.follow(viewer, id, {})).not.toThrow();
  });

  function follow(viewer: Viewer, id: string): AsyncGenerator<LogChunk> {
    const chunks = core.logFollowers.follow(viewer, id, {});
    void chunks.next();
    return chunks;
  }
});
