import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerAgent } from '../../core/agents/register.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import { createScalingRule } from '../../core/scaling/rules.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { describeInBrowser } from '../support/browser.ts';
import { claim, endings, submit } from '../support/jobs.ts';
import { said } from '../support/logs.ts';
import { appendLogs } from '../../core/logs/append.ts';

let app: TestApp;
/** Many pages, each of which is looked at by all rules (milliseconds). */
const PATIENCE_MS = 90_000;

/** Colours do not depend on the width, and nothing else on them. */
const LOOKS = [
  [1440, 'light', undefined],
  [1440, 'dark', 'COLOUR'],
  [380, 'light', 'OTHERS'],
] as const;
type Look = (typeof LOOKS)[number];
/** Of what is made of parts that were looked at in all of these already. */
const ONE_LOOK = LOOKS.slice(2);

/** An account with something of everything, and one with nothing. */
let full: { secret: string; jobId: string };
let empty: { secret: string };

beforeAll(async () => {
  app = await startTestApp();
  full = await furnish();
  empty = await app.account();
});
afterAll(() => app.close());

async function furnish() {
  const { viewer, secret } = await app.account();
  const parts = {
    containerGroupId: 'a',
    heartbeatInterval: 3_600,
    labels: { project: 'x' },
    environment: { SEED: '1' },
  };
  const sync = { during: [{ bucket: 'b', prefix: 'p/', localPath: 'l', direction: 'UPLOAD' }] };
  const agent = await registerAgent(app.core, viewer, {
    ...{ machineId: 'machine-1', containerGroupId: 'a', sessionId: randomUUID(), version: '1.0.0' },
    hardware: { cpus: 8, memoryBytes: 2 ** 34, gpus: [{ index: 0, name: 'A GPU', memoryBytes: 2 ** 33 }] },
  });
  for (const name of ['one', 'two']) await submit(app.core, viewer, { ...parts, name, sync });
  const first = await claim(app.core, viewer, 'machine-1', 'a', agent.id);
  await finishAttempt(app.core, viewer, first.lease, endings.failed);
  // The same one again: it is the oldest that another machine may have.
  const second = await claim(app.core, viewer, 'machine-2', 'a');
  const pulse = { phase: 'RUNNING', progress: { fraction: 0.4, message: 'epoch 4', metrics: null } } as const;
  await heartbeat(app.core, viewer, second.lease, pulse);
  await appendLogs(app.core, viewer, second.lease, { offset: 0, lines: said('a line', 'and another') });
  await createScalingRule(app.core, viewer, 'a', { minReplicas: 0, maxReplicas: 3, idleThresholdSeconds: 60 });
  return { secret, jobId: first.id };
}

describeInBrowser('every page', (open) => {
  test(
    'keeps the rules of accessibility at 1440 and 380 pixels, those of colour light and dark, and is no wider',
    { timeout: PATIENCE_MS },
    async () => {
      const { page, ...tab } = await open({ url: app.url });
      const found: string[] = [];
      const look = async (name: string, looks: readonly Look[] = LOOKS): Promise<void> => {
        for (const [width, theme, rules] of looks) {
          await tab.look(theme, width);
          const violations = await tab.violations(rules);
          found.push(...violations.map((violation) => `${name}, ${theme}, ${width} pixels: ${violation}`));
          const wide = Number(await page.evaluate('document.documentElement.scrollWidth'));
          if (wide > width) found.push(`${name} is ${wide} pixels wide at ${width}`);
        }
      };
      await look('the door');
      await tab.signIn(full.secret);
      for (const [path, sign] of [
        ['/', 'Empty in about'],
        ['/app/jobs', 'two'],
        [`/app/jobs/${full.jobId}`, 'and another'],
        [`/app/submit?from=${full.jobId}`, 'Remove'],
        ['/app/agents', 'A GPU'],
        ['/app/scaling', 'Replicas allowed'],
        ['/app/keys', 'Keys in use'],
      ] as const) {
        await tab.go(path);
        await page.getByText(sign).first().waitFor();
        await look(path);
      }
      await page.getByRole('button', { name: 'Revoke' }).first().click();
      await page.getByRole('button', { name: 'Keep it' }).waitFor();
      await look('a question');
      await page.getByRole('button', { name: 'Keep it' }).click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await tab.signIn(empty.secret);
      for (const path of ['/', '/app/jobs', '/app/agents', '/app/scaling', '/app/nothing']) {
        await tab.go(path);
        await page
          .getByRole('heading', { name: /(?:No|no) |Submit a job, or/ })
          .first()
          .waitFor();
        await look(`${path}, empty`, ONE_LOOK);
      }
      expect(found).toEqual([]);
    },
  );

  test('is reached by keyboard', async () => {
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(full.secret);
    await tab.go(`/app/jobs`);
    await page.getByRole('link', { name: 'two' }).waitFor();
    await page.keyboard.press('Tab');
    await page.getByRole('link', { name: 'Skip to the content' }).and(page.locator(':focus')).waitFor();
    await page.getByRole('button', { name: 'Pending' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('button', { name: 'Running' }).and(page.locator(':focus')).waitFor();
    await page.keyboard.press('Space');
    await page.waitForURL(/status=RUNNING/);
    await page.getByRole('link', { name: 'one' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'one' }).waitFor();
  });
});
