import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerAgent } from '../../core/agents/register.ts';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { submitJobs } from '../../core/jobs/submit.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import { createApp } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { describeInBrowser, type Tab } from '../support/browser.ts';
import { spec } from '../support/core.ts';
import { claim, endings, submit } from '../support/jobs.ts';
import { until } from '../support/until.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const row = (tab: Tab, name: string) => tab.page.getByRole('row').filter({ hasText: name });

describeInBrowser('the door', (open) => {
  test('refuses what is no key, a key that nobody knows, and an agent’s, and says why', async () => {
    const { secret } = await app.account('AGENT');
    const { page } = await open({ url: app.url });
    for (const [key, why] of [
      ['two words', 'without spaces'],
      ['kelpie_nobody_knows_it', 'unknown'],
      [secret, 'agent’s key'],
    ] as const) {
      await page.getByLabel('API key').fill(key);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page
        .getByRole('alert')
        .filter({ hasText: new RegExp(why, 'i') })
        .waitFor();
    }
  });

  test('keeps a key for the tab, and no longer', async () => {
    const { secret } = await app.account();
    const tab = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.page.reload();
    await tab.page.getByText('Live', { exact: true }).waitFor();
    expect(await tab.page.evaluate('[JSON.stringify(localStorage), document.cookie]')).toEqual(['{}', '']);
    await tab.page.getByRole('button', { name: 'Sign out' }).click();
    await tab.page.getByLabel('API key').waitFor();
    expect(await tab.page.evaluate('JSON.stringify(sessionStorage)')).toBe('{}');
  });

  test('leads to pages that say what to do next where there is nothing yet', async () => {
    const { secret } = await app.account();
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await page.getByText('"command": "echo"').waitFor();
    for (const [link, command] of [
      ['Jobs', '"command": "echo"'],
      ['Agents', 'node agent/main.ts'],
      ['Scaling', '"max_replicas": 10'],
    ] as const) {
      await page.getByRole('navigation').getByRole('link', { name: link }).click();
      await page.getByText(command).waitFor();
    }
  });
});

describeInBrowser('the list of jobs', (open) => {
  test('follows what happens without being loaded anew', async () => {
    const { viewer, secret } = await app.account();
    const tab = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.page.getByRole('link', { name: 'Jobs', exact: true }).click();
    await tab.mark();
    await submit(app.core, viewer, { name: 'first', containerGroupId: 'live' });
    await row(tab, 'first').getByText('Pending').waitFor();
    const { lease } = await claim(app.core, viewer, 'machine-7', 'live');
    await row(tab, 'first').getByText('machine-7').waitFor();
    await heartbeat(app.core, viewer, lease, {
      phase: 'RUNNING',
      progress: { fraction: 0.42, message: null, metrics: null },
    });
    await row(tab, 'first').getByText('42 %').waitFor();
    await finishAttempt(app.core, viewer, lease, endings.failed);
    await row(tab, 'first').getByText('Pending').waitFor();
    await row(tab, 'first').getByText('1 failed').waitFor();
    expect(await tab.isTheSame()).toBe(true);
  });

  test('is filtered by status, group and label, which the address keeps, and searched', async () => {
    const { viewer, secret } = await app.account();
    const parts = { containerGroupId: 'films' };
    await submit(app.core, viewer, { ...parts, name: 'wanted-one', labels: { project: 'film' } });
    await submit(app.core, viewer, { ...parts, name: 'of-no-project' });
    const gone = await submit(app.core, viewer, { ...parts, name: 'gone', labels: { project: 'film' } });
    await cancelJob(app.core, viewer, gone.id);
    await submit(app.core, viewer, { name: 'elsewhere', containerGroupId: 'others', labels: { project: 'film' } });

    const tab = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.page.getByRole('link', { name: 'Jobs', exact: true }).click();
    await tab.page.getByText('4 jobs').waitFor();
    await tab.page.getByRole('button', { name: 'Pending' }).click();
    await tab.page.getByText('3 jobs').waitFor();
    await tab.page.getByLabel('Group').fill('films');
    await tab.page.getByText('2 jobs').waitFor();
    await tab.page.getByLabel('Label').fill('project=film');
    await tab.page.getByText('1 job,').waitFor();
    const { searchParams } = new URL(tab.page.url());
    expect(Object.fromEntries(searchParams)).toEqual({ status: 'PENDING', group: 'films', label: 'project=film' });
    await tab.page.reload();
    await row(tab, 'wanted-one').waitFor();
    // One that no longer fits leaves by itself, one that newly does comes.
    await claim(app.core, viewer, 'machine', 'films');
    await row(tab, 'wanted-one').waitFor({ state: 'detached' });
    await submit(app.core, viewer, { ...parts, name: 'another', labels: { project: 'film' } });
    await row(tab, 'another').waitFor();

    await tab.go(`/app/jobs?q=ELSE`);
    await row(tab, 'elsewhere').waitFor();
    await tab.page.getByText('1 job,').waitFor();
  });

  test('has as many rows as are seen, of more than a page', async () => {
    const { viewer, secret } = await app.account();
    const name = (index: number) => `job-${String(index).padStart(4, '0')}`;
    // The list begins with 200 and goes on by 1,000, so the oldest ones come with a third page.
    const names = Array.from({ length: 1_250 }, (_, index) => name(index));
    await submitJobs(
      app.core,
      viewer,
      names.slice(0, 1_000).map((each) => spec({ name: each })),
    );
    await submitJobs(
      app.core,
      viewer,
      names.slice(1_000).map((each) => spec({ name: each })),
    );
    const tab = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.page.getByRole('link', { name: 'Jobs', exact: true }).click();
    await row(tab, 'job-1249').waitFor();
    await tab.page.getByText('1,250 jobs').waitFor();
    expect(await tab.page.getByRole('row').count()).toBeLessThan(60);
    // Any of them is found, loaded or not.
    await tab.page.getByLabel('Search').fill('JOB-0007');
    await tab.page.getByText('1 job,').waitFor();
    await row(tab, 'job-0007').waitFor();
    await tab.page.getByLabel('Search').fill('');
    await tab.page.getByText('1,250 jobs').waitFor();
    // What comes below is loaded on the way.
    await until('the oldest job', async () => {
      await tab.page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
      return (await row(tab, 'job-0000').count()) > 0;
    });
    expect(await tab.page.getByRole('row').count()).toBeLessThan(60);
  });

  test('says when how many there are cannot be counted again', async () => {
    const { viewer, secret } = await app.account();
    const tab = await open({ url: app.url });
    await tab.signIn(secret);
    // The shortest pause before a count is over at once; that after two failures is not.
    await tab.page.evaluate(
      'const wait = window.setTimeout; window.setTimeout = (task, ms) => wait(task, ms === 2000 ? 0 : ms)',
    );
    await tab.page.getByRole('link', { name: 'Jobs', exact: true }).click();
    await tab.page.getByText('No jobs yet').waitFor();
    const isCount = (body: string | null) => body?.includes('query JobCount') === true;
    await tab.page.route('**/graphql', (route) =>
      isCount(route.request().postData()) ? route.abort() : route.continue(),
    );
    await submit(app.core, viewer, { name: 'uncounted' });
    await row(tab, 'uncounted').waitFor();
    await tab.page.getByRole('alert').filter({ hasText: 'could not be counted again' }).waitFor();
    await tab.page.unroute('**/graphql');
  });

  test('says that the server is away, and catches up when it is back, without being loaded anew', async () => {
    const { viewer, secret } = await app.account();
    const running = await submit(app.core, viewer, { name: 'runs-on', containerGroupId: 'restart' });
    const { lease } = await claim(app.core, viewer, 'machine', 'restart');
    const tab = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go(`/app/jobs`);
    await row(tab, 'runs-on').getByText('Running').waitFor();
    await tab.mark();
    const where = { machineId: 'machine-8', containerGroupId: 'restart' };
    await registerAgent(app.core, viewer, { ...where, sessionId: randomUUID(), version: null, hardware: null });
    const other = await open({ url: app.url });
    await other.signIn(secret);
    await other.page.getByRole('link', { name: 'Agents' }).click();
    const agent = other.page.getByRole('heading', { name: 'machine-8' });
    await agent.waitFor();
    // Other tests have been where this one goes to, and a browser keeps what a page is made of: with a route it asks the server for it.
    await other.page.route('**/assets/**', async (route) => route.continue());

    await app.app.stop();
    await tab.page.getByText('Disconnected, trying again').waitFor();
    // A page that was asked for again, in vain, shows what it knows; one that was not loaded yet comes with the server.
    await other.page.getByRole('alert').filter({ hasText: 'does not answer' }).waitFor();
    await agent.waitFor();
    await other.page.getByRole('link', { name: 'Scaling' }).click();
    await other.page.getByText('Loading …').waitFor();
    await finishAttempt(app.core, viewer, lease, endings.completed);
    await submit(app.core, viewer, { name: 'came-meanwhile', containerGroupId: 'restart' });
    app.app = createApp({ core: app.core, log: createLog('silent') });
    const { hostname, port } = new URL(app.url);
    await app.app.start({ host: hostname, port: Number(port) });

    await other.page.getByText('No scaling rules yet').waitFor();
    await other.page.unroute('**/assets/**');
    await tab.page.getByText('Live', { exact: true }).waitFor();
    await row(tab, 'runs-on').getByText('Completed').waitFor();
    await row(tab, 'came-meanwhile').getByText('Pending').waitFor();
    expect(await tab.isTheSame()).toBe(true);
    expect(running.name).toBe('runs-on');
  });
});
