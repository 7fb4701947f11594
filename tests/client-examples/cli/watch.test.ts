import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { purgeJobs } from '../../../core/jobs/purge.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { appendLogs } from '../../../core/logs/append.ts';
import { startTestApp } from '../../support/app.ts';
import { openGateway } from '../../support/gateway.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { jsonOf, ran, start, type Setting } from './support.ts';

const app = await startTestApp();
afterAll(() => app.close());

async function person() {
  const { viewer, secret } = await app.account();
  const environment = { KELPIE_API_URL: app.url, KELPIE_API_KEY: secret };
  return {
    viewer,
    environment,
    watch: (words: string[], more: Setting = {}) => start(['watch', ...words], { environment, ...more }),
  };
}

async function work(viewer: Viewer, ending: keyof typeof endings, group = 'group') {
  return finishAttempt(app.core, viewer, (await claim(app.core, viewer, 'machine', group)).lease, endings[ending]);
}

describe('watch', () => {
  test('tells each step of a job in a line, and ends with 0 when it has completed', async () => {
    const { viewer, watch } = await person();
    const { id } = await submit(app.core, viewer, { name: 'steps' });
    const watching = watch([id, '--until-done']);
    await watching.until(`${id}  steps  PENDING`);
    const { lease } = await claim(app.core, viewer, 'm1');
    await heartbeat(app.core, viewer, lease, {
      phase: 'RUNNING',
      progress: { fraction: 0.31, message: 'x', metrics: null },
    });
    await watching.until('30 %');
    await finishAttempt(app.core, viewer, lease, endings.completed);
    const { exit, lines } = await watching.ended;
    expect(lines.map((line) => line.replace(`${id}  steps  `, ''))).toEqual([
      'PENDING  No agent of container group group is connected.',
      'RUNNING  attempt 1 on m1',
      'RUNNING  attempt 1 on m1  running',
      'RUNNING  attempt 1 on m1  running  30 %',
      'COMPLETED  attempt 1 on m1',
    ]);
    expect(exit).toBe(0);
  });

  test.for([
    [['completed', 'completed'], 0],
    [['completed', 'failed'], 1],
    [['timedOut', 'canceled'], 1],
    [['completed', 'canceled'], 3],
    [['removed', 'completed'], 3],
    [['completedAndForgotten', 'completed'], 0],
  ] as const)('jobs that end as %j end it with %d', async ([ends, code]) => {
    const { viewer, watch } = await person();
    const jobs = [];
    for (const [index, end] of ends.entries()) {
      jobs.push(
        await submit(app.core, viewer, { maxFailures: 1, containerGroupId: `${end}-${index}`, labels: { of: 'us' } }),
      );
    }
    const watching = watch(['--label', 'of=us', '--until-done', '--json']);
    await watching.until(jobs[1]!.id);
    for (const [index, end] of ends.entries()) {
      const { id, containerGroupId } = jobs[index]!;
      if (end === 'canceled') await cancelJob(app.core, viewer, id);
      else if (end === 'removed') await purgeJobs(app.core, viewer, containerGroupId);
      else if (end === 'completedAndForgotten') {
        await work(viewer, 'completed', containerGroupId);
        await watching.until('COMPLETED');
        await app.database.query('delete from jobs where id = $1', [id]);
      } else await work(viewer, end, containerGroupId);
    }
    expect((await watching.ended).exit).toBe(code);
  });

  test('what has ended before is told at once', async () => {
    const { viewer, environment } = await person();
    const { id } = await submit(app.core, viewer);
    await work(viewer, 'completed');
    const done = await ran(['watch', id, '--until-done', '--json'], { environment });
    expect([done.exit, jsonOf(done)]).toEqual([0, [expect.objectContaining({ id, status: 'COMPLETED' })]]);
    expect((await ran(['watch', '--group', 'nobody', '--until-done'], { environment })).exit).toBe(0);
  });

  test('a job that is not there ends it with 6, and time that is over with 5', async () => {
    const { viewer, environment } = await person();
    const missing = await ran(['watch', '00000000-0000-4000-8000-000000000001', '--until-done'], { environment });
    expect([missing.exit, missing.err]).toEqual([6, expect.stringContaining('There is no job') as string]);
    const { id } = await submit(app.core, viewer);
    const late = await ran(['watch', id, '--until-done', '--timeout', '0.3'], { environment });
    expect([late.exit, late.err]).toEqual([5, 'The time is over: 1 pending. The jobs go on.\n']);
  });

  test('Ctrl-C ends it with 130, and leaves the jobs alone', async () => {
    const { viewer, watch, environment } = await person();
    const { id } = await submit(app.core, viewer);
    const watching = watch([id]);
    await watching.until(id);
    watching.interrupt();
    expect((await watching.ended).exit).toBe(130);
    expect(jsonOf(await ran(['get', id, '--json'], { environment }))).toMatchObject([{ status: 'PENDING' }]);
  });

  test('jobs that come to a group are followed as well', async () => {
    const { viewer, watch } = await person();
    await submit(app.core, viewer, { name: 'first' });
    const watching = watch(['--group', 'group']);
    await watching.until('first');
    await submit(app.core, viewer, { name: 'second' });
    await submit(app.core, viewer, { name: 'elsewhere', containerGroupId: 'other' });
    await submit(app.core, viewer, { name: 'third' });
    expect(await watching.until('third')).toMatch(/second(?!.*elsewhere)/s);
    watching.interrupt();
    await watching.ended;
  });

  test('goes on after a lost connection where it was: what happened meanwhile is told, in order', async () => {
    const { viewer, environment } = await person();
    const gateway = await openGateway(app.url);
    const { id } = await submit(app.core, viewer, { maxFailures: 5 });
    let isCut = false;
    gateway.hangUpOn = (message) => {
      if (!message.includes('"CLAIMED"') || isCut) return false;
      // Nobody gets back before all has happened.
      gateway.websockets = 'REFUSED';
      isCut = true;
      return true;
    };
    const watching = start(['watch', id, '--until-done', '--json'], {
      environment: { ...environment, KELPIE_API_URL: gateway.url },
    });
    await watching.until('PENDING');
    const { lease } = await claim(app.core, viewer, 'm1');
    await watching.until('connecting again');
    await finishAttempt(app.core, viewer, lease, endings.released);
    await finishAttempt(app.core, viewer, (await claim(app.core, viewer, 'm2')).lease, endings.completed);
    gateway.websockets = 'OPEN';
    const done = await watching.ended;
    const steps = jsonOf(done).map(({ status, machineId }) => `${String(status)} ${String(machineId)}`);
    expect(steps.filter((step, index) => step !== steps[index - 1])).toEqual([
      ...['PENDING null', 'RUNNING m1', 'PENDING m1', 'RUNNING m2', 'COMPLETED m2'],
    ]);
    expect(done.exit).toBe(0);
    await gateway.close();
  });

  test('is not fooled by a job that has failed and was tried again before it looked', async () => {
    const { viewer, watch } = await person();
    const { id } = await submit(app.core, viewer, { maxFailures: 1 });
    await work(viewer, 'failed');
    await retryJob(app.core, viewer, id);
    const watching = watch([id, '--until-done']);
    await watching.until('PENDING');
    await claim(app.core, viewer, 'machine-2').then(({ lease }) =>
      finishAttempt(app.core, viewer, lease, endings.completed),
    );
    expect((await watching.ended).exit).toBe(0);
  });

  test('on a terminal it draws a table with bars that fits, and counts the rest', async () => {
    const { viewer, watch } = await person();
    for (let n = 0; n < 12; n++) await submit(app.core, viewer, { name: `job-${n}` });
    const { lease } = await claim(app.core, viewer, 'm1');
    await heartbeat(app.core, viewer, lease, {
      phase: 'RUNNING',
      progress: { fraction: 0.5, message: 'halfway', metrics: null },
    });
    const watching = watch(['--group', 'group'], { terminal: { columns: 100, rows: 10 } });
    await watching.until('… and 6 more');
    watching.interrupt();
    const { out } = await watching.ended;
    expect(out).toMatch(/job-0 .*running.* ██████████░░░░░░░░░░  50 % .*#1 m1.*halfway/);
    expect(out).toContain('1 running, 11 pending');
  });
});

describe('logs', () => {
  const line = (text: string) => ({ stream: 'STDOUT' as const, afterMillis: 1, text });

  test('prints the last lines; -f goes on from there, over attempts and a lost connection, to the end of the job', async () => {
    const { viewer, environment } = await person();
    const gateway = await openGateway(app.url);
    const { id } = await submit(app.core, viewer);
    const first = await claim(app.core, viewer, 'm1');
    await appendLogs(app.core, viewer, first.lease, { offset: 0, lines: ['one', 'two', 'three'].map(line) });
    expect((await ran(['logs', id, '--tail', '2'], { environment })).lines).toEqual(['two', 'three']);

    let cuts = 0;
    gateway.hangUpOn = (message) => message.includes('five') && cuts++ === 0;
    const following = start(['logs', '-f', id, '--tail', '2'], {
      environment: { ...environment, KELPIE_API_URL: gateway.url },
    });
    await following.until('three');
    await appendLogs(app.core, viewer, first.lease, { offset: 3, lines: [line('four')] });
    await following.until('four');
    await appendLogs(app.core, viewer, first.lease, { offset: 4, lines: [line('five')] });
    await following.until('five');
    await finishAttempt(app.core, viewer, first.lease, endings.released);
    const second = await claim(app.core, viewer, 'm2');
    await appendLogs(app.core, viewer, second.lease, { offset: 0, lines: [line('six')] });
    await finishAttempt(app.core, viewer, second.lease, endings.completed);
    const { lines, exit } = await following.ended;
    expect(lines.filter((text) => !text.startsWith('Attempt'))).toEqual(['two', 'three', 'four', 'five', 'six']);
    expect(lines.filter((text) => text.startsWith('Attempt'))).toHaveLength(2);
    expect([exit, cuts]).toEqual([0, 2]);
    await gateway.close();
  });

  test('another attempt’s lines, and a job that is not there', async () => {
    const { viewer, environment } = await person();
    const { id } = await submit(app.core, viewer);
    const { lease } = await claim(app.core, viewer, 'm1');
    await appendLogs(app.core, viewer, lease, { offset: 0, lines: [line('first')] });
    await finishAttempt(app.core, viewer, lease, endings.released);
    await claim(app.core, viewer, 'm2');
    expect(await ran(['logs', id], { environment })).toMatchObject({ out: '', exit: 0 });
    expect(jsonOf(await ran(['logs', id, '--attempt', '1', '--json'], { environment }))).toMatchObject([
      { text: 'first', attempt: 1 },
    ]);
    expect(await ran(['logs', id, '--attempt', '9'], { environment })).toMatchObject({
      exit: 6,
      err: `There is no attempt 9 of job ${id}: it has had 2 so far\n`,
    });
    expect((await ran(['logs', '00000000-0000-4000-8000-000000000001'], { environment })).exit).toBe(6);
  });
});

test('nothing is left open behind a command', async () => {
  const { viewer, environment } = await person();
  const sockets = () => readdirSync('/proc/self/fd').length;
  await submit(app.core, viewer);
  const watching = start(['watch', '--group', 'group'], { environment });
  await watching.until('PENDING');
  const during = sockets();
  watching.interrupt();
  await watching.ended;
  await expect.poll(sockets, { timeout: 5_000 }).toBeLessThan(during);
});
