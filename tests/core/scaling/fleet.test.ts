import { afterAll, beforeAll, expect, test } from 'vitest';
import { createScalingRule, findScalingRule } from '../../../core/scaling/rules.ts';
import { createScaler } from '../../../core/scaling/scaler.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { periodic } from '../../../lib/service.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { spec } from '../../support/core.ts';
import { startLocalMachines } from '../../support/local-machines.ts';
import { until } from '../../support/until.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const JOBS = 40;

test('forty uneven jobs are done by eight agents that come with the queue and go with it, and none is interrupted', async () => {
  const { viewer } = await app.account('OWNER', 'herder');
  const { secret } = await app.account('AGENT', 'herder');
  const machines = await startLocalMachines(app, secret, 'flock');
  const errors: Error[] = [];
  const scaler = createScaler({
    core: app.core,
    provider: machines.provider,
    onNews: () => loop.poke(),
    onError: (error) => errors.push(error),
  });
  const loop = periodic({
    name: 'scaling',
    everyMs: 250,
    runOnce: () => scaler.runOnce(),
    onError: (error) => errors.push(error),
  });
  const began = performance.now();
  const timeline: string[] = [];
  const say = (what: string) =>
    timeline.push(`${((performance.now() - began) / 1_000).toFixed(2).padStart(6)} s  ${what}`);
  try {
    await createScalingRule(app.core, viewer, 'flock', { minReplicas: 0, maxReplicas: 8, idleThresholdSeconds: 1 });
    loop.start();
    await submitJobs(
      app.core,
      viewer,
      Array.from({ length: JOBS }, (_, index) =>
        spec({ command: 'sleep', arguments: [String((index % 5) * 0.3)], containerGroupId: 'flock' }),
      ),
    );
    say(`${JOBS} jobs submitted`);
    const seen = { claimed: false, most: 0, done: false };
    await until(
      'all jobs to be done and all agents to be gone',
      async () => {
        const [row] = await app.database.query<{ claimed: number; done: number }>(
          `select count(*) filter (where started_at is not null)::int as claimed,
                  count(*) filter (where status = 'COMPLETED')::int as done from jobs`,
        );
        if (!seen.claimed && (row?.claimed ?? 0) > 0) say('the first job is claimed');
        if (machines.running() > seen.most) say(`${machines.running()} agents run`);
        if (!seen.done && row?.done === JOBS) say('all jobs are completed');
        seen.claimed ||= (row?.claimed ?? 0) > 0;
        seen.done ||= row?.done === JOBS;
        seen.most = Math.max(seen.most, machines.running());
        return seen.done && machines.running() === 0;
      },
      55_000,
    );
    say('all agents are gone');
    await until('the rule to say so', async () => {
      const rule = await findScalingRule(app.core, viewer, 'flock');
      return rule.wanted === 0 && rule.answerOk === true;
    });
    process.stdout.write(`${timeline.join('\n')}\n`);
    expect(seen.most).toBe(8);
    expect(errors).toEqual([]);
    const attempts = await app.database.query(`select outcome, count(*)::int from attempts group by outcome`);
    expect(attempts).toEqual([{ outcome: 'COMPLETED', count: JOBS }]);
    const history = await app.database.query<{ reason: string; message: string }>(
      'select reason, message from scaling_events order by id',
    );
    expect(history.map(({ message }) => message)).toContainEqual(expect.stringContaining('set to 8, started'));
    expect(history.some(({ reason }) => reason.startsWith('8 = clamped from 4'))).toBe(true);
  } finally {
    await loop.stop();
    await scaler.stop();
    await machines.clear();
  }
}, 60_000);
