import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import type { LeaseRef } from '../../core/leases/terms.ts';
import { listenLocally } from '../../lib/port.ts';
import { startTestApp } from '../support/app.ts';
import { hasChromium, sharedChromium } from '../support/chromium.ts';
import { openGateway } from '../support/gateway.ts';
import { claim, endings, rowOf, runOut, submit } from '../support/jobs.ts';
import { until } from '../support/until.ts';
import { EXAMPLES, expectTranscript } from './transcript.ts';

const isThere = hasChromium('the example of a page in a browser');

const app = await startTestApp();
afterAll(() => app.close());

/** The page, from an origin that is not the server's. */
async function servePage() {
  const html = await readFile(join(EXAMPLES, 'browser/follow.html'));
  const server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(html));
  const port = await listenLocally(server);
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
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

/** What the page says in its three places, a line for each change: what is on it now, and what stood there before. */
const LISTEN = `
  const said = (window.said = []);
  const tell = (line) => {
    const place = line.split(':')[0];
    if (said.findLast((one) => one.startsWith(place + ':')) !== line) said.push(line);
  };
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      if (target.localName === 'progress') tell('bar: ' + Math.round(target.value * 100) + ' %');
      else for (const { textContent } of addedNodes) tell((target.localName === 'ol' ? 'list: ' : 'state: ') + textContent);
    }
  }).observe(document.body, { childList: true, attributeFilter: ['value'], subtree: true });`;

/** The page in a tab of its own, told whom to ask for which job, and started. */
async function follow(url: string, id: string, key: string) {
  const [page, tab] = [await servePage(), await (await sharedChromium()).newPage()];
  onTestFinished(async () => {
    await tab.close();
    page.close();
  });
  const faults: string[] = [];
  tab.on('pageerror', (error) => faults.push(error.message));
  await tab.goto(page.url);
  await tab.evaluate(LISTEN);
  await tab.getByLabel('Server').fill(url);
  await tab.getByLabel('Key').fill(key);
  await tab.getByLabel('Job').fill(id);
  await tab.getByRole('button').click();
  return {
    ...{ tab, faults },
    /** Waits until it has said this; also what is gone from it again has been said. */
    said: (text: string) => tab.waitForFunction(`said.some((line) => line.includes(${JSON.stringify(text)}))`),
    lines: async () => z.array(z.string()).parse(await tab.evaluate('said')),
  };
}

test.skipIf(!isThere)(
  'a page in a browser follows a job to its end by server-sent events, over a lost connection and a lost machine',
  { timeout: 60_000 },
  async () => {
    const { viewer } = await app.account('OWNER', 'browsing');
    const { secret } = await app.account('VIEWER', 'browsing');
    const { id } = await submit(app.core, viewer);
    const gateway = await openGateway(app.url);
    onTestFinished(() => gateway.close());
    const reports = async (lease: LeaseRef, fraction: number, message: string) =>
      heartbeat(app.core, viewer, lease, { phase: 'RUNNING', progress: { fraction, message, metrics: null } });

    const { tab, faults, said, lines } = await follow(gateway.url, id, secret);
    await said('submitted');
    const first = await claim(app.core, viewer, 'machine-1');
    await reports(first.lease, 0.5, 'halfway');
    await said('halfway');
    gateway.cutRequests();
    await said('connecting again');
    await runOut(app.database, id);
    await until('the job to be given up', async () => (await rowOf(app.database, id)).status === 'PENDING');
    // What a machine is called is nobody's HTML.
    const { lease } = await claim(app.core, viewer, '<b>machine-2</b>');
    await reports(lease, 0.9, 'almost there');
    await said('almost there');
    await finishAttempt(app.core, viewer, lease, endings.completed);
    await said('state: completed');

    expect(tab.url()).not.toContain(secret);
    expect(faults).toEqual([]);
    const typed = 'xdg-open follow.html  # Server <url>, Key of the role VIEWER, Job <id>, and "Follow"';
    await expectTranscript('browser', [{ typed, lines: await lines() }]);
  },
);

test.skipIf(!isThere)('the page says why it may not follow, and does not try again', { timeout: 60_000 }, async () => {
  const { said } = await follow(app.url, 'x', 'wrong');
  await said('unknown, revoked or expired');
});
