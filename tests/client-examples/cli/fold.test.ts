import { afterAll, expect, test } from 'vitest';
import { rowOf } from '../../../client-examples/cli/watch/rows.ts';
import type { JobRowFragment } from '../../../client-examples/cli/generated/graphql.ts';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import type { LeaseRef } from '../../../core/leases/terms.ts';
import { startTestApp } from '../../support/app.ts';
import { claim, endings, submit } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';
import { jsonOf, ran, start } from './support.ts';

const app = await startTestApp();
afterAll(() => app.close());

test('what is made of events is what the server says when it is asked, at every step of a job', async () => {
  const { core } = app;
  const { viewer, secret } = await app.account();
  const environment = { KELPIE_API_URL: app.url, KELPIE_API_KEY: secret };
  const { id } = await submit(core, viewer, { name: 'much', maxFailures: 5 });
  const watching = start(['watch', id, '--json'], { environment });
  await watching.until('PENDING');

  let lease: LeaseRef;
  const progress = (fraction: number) => ({ fraction, message: `at ${fraction}`, metrics: null });
  const transfer = { filesDone: 1, filesTotal: 2, bytesDone: '5', bytesTotal: '10', bytesPerSecond: 1 };
  const steps: Record<string, () => Promise<unknown>> = {
    claimed: async () => ({ lease } = await claim(core, viewer, 'm1')),
    downloading: () => heartbeat(core, viewer, lease, { phase: 'DOWNLOADING', transfer }),
    running: () => heartbeat(core, viewer, lease, { phase: 'RUNNING' }),
    'so far': () => heartbeat(core, viewer, lease, { progress: progress(0.3) }),
    'saved a checkpoint': () =>
      heartbeat(core, viewer, lease, { checkpoints: { files: 1, bytes: '5', newestKeys: ['k'] }, warning: 'slow' }),
    uploading: () => heartbeat(core, viewer, lease, { phase: 'UPLOADING', transfer }),
    released: () => finishAttempt(core, viewer, lease, endings.released),
    'claimed again': async () => ({ lease } = await claim(core, viewer, 'm2')),
    'so far again': () => heartbeat(core, viewer, lease, { phase: 'RUNNING', progress: progress(0.5) }),
    failed: () => finishAttempt(core, viewer, lease, endings.failed),
    'claimed a third time': async () => ({ lease } = await claim(core, viewer, 'm3')),
    canceled: () => cancelJob(core, viewer, id),
    retried: () => retryJob(core, viewer, id),
    'claimed a last time': async () => ({ lease } = await claim(core, viewer, 'm4')),
    completed: () => finishAttempt(core, viewer, lease, endings.completed),
  };
  for (const [step, take] of Object.entries(steps)) {
    await take();
    const [job] = jsonOf(await ran(['get', id, '--json'], { environment }));
    // Why a job waits is found out when it is asked.
    const expected: Record<string, unknown> = { ...rowOf(job as unknown as JobRowFragment), reason: 'any' };
    delete expected.own;
    let last: unknown;
    await until(
      `the row as the server has it when it is ${step}`,
      async () => {
        const line = (await watching.until('PENDING')).trimEnd().split('\n').at(-1)!;
        last = { ...(JSON.parse(line) as object), reason: 'any' };
        return JSON.stringify(last) === JSON.stringify(expected);
      },
      3_000,
    ).catch(() => expect(last, step).toEqual(expected));
  }
  watching.interrupt();
  await watching.ended;
});
