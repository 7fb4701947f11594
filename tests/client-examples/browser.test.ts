import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import { startTestApp } from '../support/app.ts';
import { hasChromium, sharedChromium } from '../support/chromium.ts';
import { claim, endings, submit } from '../support/jobs.ts';
import { EXAMPLES } from './transcript.ts';

const isThere = hasChromium('the example of a page in a browser');

const app = await startTestApp();
afterAll(() => app.close());

/** The page, from an origin that is not the server's. */
async function servePage() {
  const html = await readFile(join(EXAMPLES, 'browser/follow.html'));
  const server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(html));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

test('a page of any origin may bring a key and the place to resume from', async () => {
  const { status, headers } = await fetch(`${app.url}/jobs/x/events`, {
    method: 'OPTIONS',
    headers: {
      Origin: 'http://page.example',
      'Access-Control-Request-Method': 'GET',
      'Access-Control-Request-Headers': 'x-kelpie-key,last-event-id',
    },
  });
  expect([status, headers.get('Access-Control-Allow-Origin')]).toEqual([204, '*']);
  expect(headers.get('Access-Control-Allow-Headers')?.split(/, */)).toEqual(['x-kelpie-key', 'last-event-id']);
});

/** The page in a tab of its own, told whom to ask for which job, and started. */
async function follow(id: string, key: string): Promise<{ tab: Page; faults: string[] }> {
  const [page, tab] = [await servePage(), await (await sharedChromium()).newPage()];
  onTestFinished(async () => {
    await tab.close();
    page.close();
  });
  const faults: string[] = [];
  tab.on('pageerror', (error) => faults.push(error.message));
  await tab.goto(page.url);
  await tab.getByLabel('Server').fill(app.url);
  await tab.getByLabel('Key').fill(key);
  await tab.getByLabel('Job').fill(id);
  await tab.getByRole('button').click();
  return { tab, faults };
}

test.skipIf(!isThere)(
  'a page in a browser follows a job to its end by server-sent events',
  { timeout: 60_000 },
  async () => {
    const { viewer } = await app.account('OWNER', 'browsing');
    const { secret } = await app.account('VIEWER', 'browsing');
    const { id } = await submit(app.core, viewer);

    const { tab, faults } = await follow(id, secret);
    await tab.getByText('submitted').waitFor();
    const { lease } = await claim(app.core, viewer, '<b>machine</b>');
    const progress = { fraction: 0.5, message: 'halfway', metrics: null };
    await heartbeat(app.core, viewer, lease, { phase: 'RUNNING', progress });
    await tab.getByText('halfway').waitFor();
    expect(await tab.locator('progress').getAttribute('value')).toBe('0.5');
    await finishAttempt(app.core, viewer, lease, endings.completed);
    await tab.locator('output', { hasText: 'completed' }).waitFor();
    expect(await tab.locator('li').allTextContents()).toEqual([
      'submitted',
      'claimed (attempt 1) <b>machine</b>',
      'phase changed (attempt 1)',
      'attempt ended (attempt 1) <b>machine</b> COMPLETED',
      'completed (attempt 1)',
    ]);
    expect(tab.url()).not.toContain(secret);
    expect(faults).toEqual([]);
  },
);

test.skipIf(!isThere)('the page says why it may not follow, and does not try again', { timeout: 60_000 }, async () => {
  const { tab } = await follow('x', 'wrong');
  await tab.getByText('unknown, revoked or expired').waitFor();
});
