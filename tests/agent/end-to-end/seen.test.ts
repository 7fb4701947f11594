import { expect } from 'vitest';
import { z } from 'zod';
import { type Scene, scenarios } from '../../support/fleet.ts';
import type { FollowedJob } from '../../support/follow.ts';
import { openThrottledLine } from '../../support/throttle.ts';
import { until } from '../../support/until.ts';

const scenario = scenarios();

const MiB = 2 ** 20;

scenario.concurrent(
  'downloads and uploads show how far they are while they move, and then the command’s word is shown again',
  // Fifty megabytes over slow lines: on a busy machine that takes its time.
  { timeout: 60_000 },
  async ({ scene, onTestFinished }) => {
    const line = await openThrottledLine(scene.fleet.store.relay.url, 4 * MiB);
    onTestFinished(() => line.close());
    await Promise.all([scene.put('data/large', 'x'.repeat(10 * MiB)), scene.put('data/small', 'y')]);
    const gate = scene.gate('go');
    await scene.agent('machine', { AWS_ENDPOINT_URL: line.url });
    const job = await scene.submit({
      script: `echo '{"fraction": 0.5, "message": "half"}' > $KELPIE_PROGRESS_FILE; ${gate.script}; head -c ${40 * MiB} /dev/zero > output/large`,
      before: ['data'],
      after: ['output'],
    });
    const down = await job.until(({ progress }) => progress?.message?.startsWith('downloading 1 of 2 files') ?? false);
    expect(down.progress?.message).toMatch(/^downloading 1 of 2 files, \d\.\d of 10\.0 MiB at [\d.]+ (?:[KM]i)?B\/s$/);
    await job.until(({ progress }) => progress?.message === 'half');
    await gate.open();
    await job.until(({ progress }) => progress?.message?.startsWith('uploading 0 of 1 file, ') ?? false);
    expect(await job.end()).toMatchObject({ status: 'COMPLETED', progress: { fraction: 0.5, message: 'half' } });

    const steps = await transfers(scene, job);
    for (const verb of ['downloading', 'uploading']) {
      const own = steps.filter(({ message }) => message.startsWith(verb));
      expect(own.length).toBeGreaterThan(1);
      own.reduce((before, now) => {
        expect(now.metrics.bytesDone).toBeGreaterThanOrEqual(before.metrics.bytesDone);
        return now;
      });
      // One a second; on its way one may catch up with the one before.
      expect(own.length).toBeLessThanOrEqual(2 + (own.at(-1)!.at - own[0]!.at) / 1000);
      expect(own.some(({ fraction }) => fraction > 0 && fraction < 1)).toBe(true);
      expect(Math.max(...own.map(({ metrics }) => metrics.bytesPerSecond))).toBeGreaterThan(MiB / 4);
    }
    expect(await seen(scene, job)).toMatchObject({
      ...{ lastCheckpointAt: null, syncLagSeconds: null },
      attempt: { filesDownloaded: 2, filesUploaded: 1, bytesUploaded: String(40 * MiB) },
    });
  },
);

scenario.concurrent(
  'while the store is down the bucket falls behind and people are warned, and both end when it works again',
  async ({ scene }) => {
    const [second, end] = [scene.gate('second'), scene.gate('end')];
    let isDown = false;
    scene.interfere(({ method }) => (isDown && method !== 'GET' ? Promise.resolve(503) : undefined));
    await scene.agent('machine', { MAX_RETRIES: '16' });
    const job = await scene.submit({
      script: `
        mkdir aside; for i in 1 2 3; do echo $i > aside/step-$i; done; mv aside checkpoints/first
        ${second.script}
        echo 4 > checkpoints/.step-4; mv checkpoints/.step-4 checkpoints/step-4
        ${end.script}`,
      during: ['checkpoints'],
    });
    const first = await until('the first checkpoint', async () => {
      const state = await seen(scene, job);
      return state.lastCheckpointAt !== null && state.syncLagSeconds === 0 && state;
    });
    const known = await scene.events(job);
    const saved = known.filter(({ type }) => type === 'CHECKPOINT_SAVED');
    const keys = [1, 2, 3].map((step) => `${scene.prefix}checkpoints/first/step-${step}`);
    // On a busy machine the burst may be seen in two parts; nothing of it is told twice.
    expect(saved.flatMap(({ data }) => data['keys']).sort()).toEqual(keys);

    isDown = true;
    await second.open();
    const warned = await job.until(({ statusReason }) => statusReason?.startsWith('Uploads keep failing') ?? false);
    expect(warned.statusReason).toMatch(
      /^Uploads keep failing for a few seconds: 503 .*from 127\.0\.0\.1:\d+; the command goes on, its newest checkpoint is .* old$/,
    );
    const behind = await seen(scene, job);
    expect(behind.syncLagSeconds).toBeGreaterThan(0);
    await until('the lag to grow', async () => lagOf(await seen(scene, job)) > lagOf(behind) + 1);
    expect((await seen(scene, job)).lastCheckpointAt).toBe(first.lastCheckpointAt);

    isDown = false;
    const recovered = await until('the store to work', async () => {
      const state = await seen(scene, job);
      return state.statusReason === null && state.syncLagSeconds === 0 && state;
    });
    expect(Date.parse(recovered.lastCheckpointAt ?? '')).toBeGreaterThan(Date.parse(first.lastCheckpointAt ?? ''));
    await end.open();
    expect(await job.end()).toMatchObject({ status: 'COMPLETED', statusReason: null });
    const later = (await scene.events(job)).slice(known.length);
    const told = later.filter(({ type }) => ['CHECKPOINT_SAVED', 'WARNED'].includes(type));
    expect(told.map(({ type, data }) => (type === 'WARNED' ? data['message'] !== null : data['files']))).toEqual([
      ...[true, 1, false],
    ]);
    expect(await seen(scene, job)).toMatchObject({ syncLagSeconds: null, attempt: { filesUploaded: 4 } });
  },
);

scenario.concurrent('what was published last is told with the ending', async ({ scene }) => {
  await scene.agent('machine');
  const job = await scene.submit({ script: 'echo 1 > checkpoints/only', during: ['checkpoints'] });
  await job.end();
  const types = (await scene.events(job)).map(({ type }) => type);
  expect(types.filter((type) => type === 'CHECKPOINT_SAVED')).toHaveLength(1);
  expect(types.indexOf('CHECKPOINT_SAVED')).toBeLessThan(types.indexOf('ATTEMPT_ENDED'));
});

const transferred = z.object({
  fraction: z.number(),
  message: z.string(),
  metrics: z.object({ bytesDone: z.number(), bytesPerSecond: z.number() }),
});

/** What was told of transfers, in order. */
async function transfers(scene: Scene, job: FollowedJob) {
  const told = (await scene.events(job)).filter(
    ({ type, data }) => type === 'PROGRESSED' && /^(?:up|down)loading/.test(String(data['message'])),
  );
  return told.map(({ data, at }) => ({ ...transferred.parse(data), at: at.getTime() }));
}

const SEEN = `query ($id: ID!) { job(id: $id) {
  statusReason lastCheckpointAt syncLagSeconds attempt { filesDownloaded filesUploaded bytesUploaded }
} }`;
const seenJob = z.object({
  job: z.object({
    statusReason: z.string().nullable(),
    lastCheckpointAt: z.string().nullable(),
    syncLagSeconds: z.number().nullable(),
    attempt: z.object({ filesDownloaded: z.number(), filesUploaded: z.number(), bytesUploaded: z.string() }).nullable(),
  }),
});

/** The job as its owner sees it now. */
async function seen({ fleet }: Scene, { id }: FollowedJob) {
  return seenJob.parse((await fleet.app.graphql(fleet.ownerKey, SEEN, { id })).data).job;
}

function lagOf({ syncLagSeconds }: { syncLagSeconds: number | null }): number {
  return syncLagSeconds ?? 0;
}
