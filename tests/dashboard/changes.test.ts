import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerAgent } from '../../core/agents/register.ts';
import { findJob } from '../../core/jobs/find.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { createScalingRule, findScalingRule, listScalingRules, updateScalingRule } from '../../core/scaling/rules.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { describeInBrowser } from '../support/browser.ts';
import { claim, endings, submit } from '../support/jobs.ts';
import { until } from '../support/until.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

describeInBrowser('a job', (open) => {
  test('is submitted by a form, which tells what is wrong with it, and copied', async () => {
    const { viewer, secret } = await app.account();
    const { page, ...tab } = await open({ url: app.url });
    await tab.look('light', 380);
    await tab.signIn(secret);
    await page.getByRole('link', { name: 'Submit a job' }).click();
    await page.getByLabel('Container group').fill('forms');
    await page.getByRole('textbox', { name: /^Command/ }).fill('python');
    await page.getByLabel('Arguments').fill('train.py\n--name\ntwo words');
    await page.getByLabel('Environment').fill('SEED=1\nEMPTY=');
    await page.getByLabel('Priority').fill('200');
    await page.getByRole('button', { name: 'Add a directory' }).click();
    await page.getByLabel('Local path').fill('checkpoints');
    await page.getByLabel('Bucket').fill('my-bucket');
    await page.getByLabel('Prefix').fill('run-1');
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    const refusal = page.getByRole('alert').filter({ hasText: 'priority' });
    await refusal.waitFor();
    // It stands above the form, and the button below: what is told is gone to.
    await until('the refusal in sight, below the head', async () => {
      const [head, told] = [await page.getByRole('banner').boundingBox(), await refusal.boundingBox()];
      return head !== null && told !== null && told.y >= head.y + head.height;
    });
    await page.getByLabel('Priority').fill('5');
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    await page.getByText("python train.py --name 'two words'").waitFor();
    const first = await findJob(app.core, viewer, idIn(page.url()));
    expect(first).toMatchObject({
      ...{ command: 'python', arguments: ['train.py', '--name', 'two words'], priority: 5, containerGroupId: 'forms' },
      environment: { SEED: '1', EMPTY: '' },
      sync: { during: [{ bucket: 'my-bucket', prefix: 'run-1/', localPath: 'checkpoints' }] },
    });

    await page.getByRole('link', { name: 'Submit a copy' }).click();
    await page.locator('option[value=forms]').waitFor({ state: 'attached' });
    await page.getByLabel('Priority').fill('6');
    await page.getByRole('button', { name: 'Submit', exact: true }).click();
    await page.waitForURL((url) => url.pathname.startsWith('/app/jobs/') && idIn(url.href) !== first.id);
    const second = await findJob(app.core, viewer, idIn(page.url()));
    const { command, arguments: given, environment, sync } = first;
    expect(second).toMatchObject({ command, arguments: given, environment, sync, priority: 6 });
  });

  test('names the machines on which it failed, and gets one of them back', async () => {
    const { viewer, secret } = await app.account('OWNER', 'lifted');
    const { id } = await submit(app.core, viewer, { maxFailures: 9 });
    for (const machine of ['weak', 'frail']) {
      await finishAttempt(app.core, viewer, (await claim(app.core, viewer, machine)).lease, endings.failed);
    }
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go(`/app/jobs/${id}`);
    await page.getByRole('button', { name: 'Lift the ban of weak' }).click();
    await page.getByRole('button', { name: 'Lift the ban of weak' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Lift the ban of frail' }).waitFor();
    expect((await claim(app.core, viewer, 'weak')).id).toBe(id);
  });

  test('is cancelled and tried again, after being asked', async () => {
    const { viewer, secret } = await app.account();
    const job = await submit(app.core, viewer, { name: 'to-be-cancelled' });
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go(`/app/jobs/${job.id}`);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByRole('button', { name: 'Cancel the job' }).click();
    await page.getByText('Canceled', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByText('Pending', { exact: true }).waitFor();
    expect((await findJob(app.core, viewer, job.id)).status).toBe('PENDING');
  });

  test('shows why it failed, and a viewer no buttons', async () => {
    const { viewer } = await app.account('OWNER', 'looked-at');
    const { secret } = await app.account('VIEWER', 'looked-at');
    const job = await submit(app.core, viewer, { maxFailures: 1, environment: { TOKEN: 'hush' } });
    const { lease } = await claim(app.core, viewer, 'machine-3');
    await finishAttempt(app.core, viewer, lease, { ...endings.failed, reason: 'no licence left' });
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go(`/app/jobs/${job.id}`);
    await page.getByText('no licence left').first().waitFor();
    await page.getByRole('img', { name: /Attempt 1 on machine-3: failed/ }).waitFor();
    await page.getByRole('region', { name: 'Submission' }).waitFor();
    expect(await page.getByRole('button', { name: 'Retry' }).count()).toBe(0);
    expect(await page.getByRole('link', { name: /Submit/ }).count()).toBe(0);
    expect(await page.getByText('hush').count()).toBe(0);
  });

  test('of another account looks as if it did not exist', async () => {
    const { viewer } = await app.account();
    const { secret } = await app.account();
    const job = await submit(app.core, viewer);
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go(`/app/jobs/${job.id}`);
    await page.getByRole('heading', { name: 'There is no such job' }).waitFor();
  });
});

describeInBrowser('agents', (open) => {
  test('that are gone are shown on request', async () => {
    const { viewer, secret } = await app.account();
    for (const machineId of ['here', 'away']) {
      await registerAgent(app.core, viewer, {
        ...{ machineId, containerGroupId: 'fleet', sessionId: randomUUID(), version: null, hardware: null },
      });
    }
    await app.database.query("update agents set last_seen_at = now() - interval '1 hour' where machine_id = 'away'");
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go('/app/agents?group=fleet');
    await page.getByRole('heading', { name: 'here' }).waitFor();
    expect(await page.getByRole('heading', { name: 'away' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Show those that are gone' }).click();
    await page.getByRole('heading', { name: 'away' }).waitFor();
    await page.getByRole('link', { name: 'Hide those that are gone' }).click();
    await page.getByRole('heading', { name: 'away' }).waitFor({ state: 'detached' });
    expect(new URL(page.url()).search).toBe('?group=fleet');
  });
});

describeInBrowser('keys', (open) => {
  test('are made, told once, and revoked, which a page that is open under them is told', async () => {
    const { secret } = await app.account();
    const owner = await open({ url: app.url });
    await owner.signIn(secret);
    await owner.page.getByRole('link', { name: 'Keys' }).click();
    await owner.page.getByLabel('Name').fill('for the wall');
    await owner.page.getByLabel('Role').selectOption('VIEWER');
    await owner.page.getByRole('button', { name: 'Create' }).click();
    const made = (await owner.page.getByText(/^kelpie_/).textContent()) ?? '';

    const wall = await open({ url: app.url });
    await wall.signIn(made);
    await owner.page.reload();
    const known = owner.page.getByRole('row').filter({ hasText: 'for the wall' });
    await known.waitFor();
    expect(await known.getByText('this one').count()).toBe(0);
    expect(await owner.page.getByText('this one').count()).toBe(1);
    expect(await owner.page.getByText(made).count()).toBe(0);
    await known.getByRole('button', { name: 'Revoke' }).click();
    await owner.page.getByRole('button', { name: 'Revoke the key' }).click();
    await known.waitFor({ state: 'detached' });
    await wall.page.getByRole('alert').filter({ hasText: 'no longer takes this key' }).waitFor();
    await wall.page.getByLabel('API key').waitFor();
  });
});

describeInBrowser('a page for some roles alone', (open) => {
  test('says so to others, and to nobody while it does not know who they are', async () => {
    const { secret } = await app.account('VIEWER');
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    for (const [path, refusal] of [
      ['/app/keys', 'role VIEWER may not see or make keys. Sign in with one of the role OWNER.'],
      ['/app/submit', 'role VIEWER may not submit jobs. Sign in with one of the role OWNER or SUBMITTER.'],
    ] as const) {
      await tab.go(path);
      await page.getByRole('alert').filter({ hasText: refusal }).waitFor();
    }

    const { secret: owner } = await app.account('OWNER');
    const slow = await open({ url: app.url });
    await slow.signIn(owner);
    await slow.go('/app/submit');
    const answer = Promise.withResolvers<undefined>();
    await slow.page.route('**/graphql', async (route) => {
      if (route.request().postData()?.includes('viewer') === true) await answer.promise;
      await route.continue();
    });
    await slow.page.reload();
    await slow.page.getByText('Loading …').waitFor();
    expect(await slow.page.getByRole('alert').count()).toBe(0);
    answer.resolve(undefined);
    await slow.page.getByRole('heading', { name: 'Submit a job' }).waitFor();
    await slow.page.unrouteAll({ behavior: 'wait' });
  });
});

describeInBrowser('a scaling rule', (open) => {
  test('is made, changed and removed by an owner, who is told at the field what is wrong', async () => {
    const { viewer, secret } = await app.account('OWNER', 'scaled');
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go('/app/scaling');
    await page.getByLabel('Container group').fill('films');
    await page.getByLabel('Replicas at most').fill('501');
    await page.getByRole('button', { name: 'Make the rule' }).click();
    await page.locator('label', { hasText: 'Replicas at most' }).getByText('500').nth(1).waitFor();
    await page.getByLabel('Replicas at most').and(page.locator('[aria-invalid=true]')).fill('2');
    await page.getByLabel('Replicas at least').fill('3');
    await page.getByRole('button', { name: 'Make the rule' }).click();
    await page.getByRole('alert').filter({ hasText: 'at most the greatest, got 3 and 2' }).waitFor();
    await page.getByLabel('Replicas at least').fill('1');
    await page.getByRole('button', { name: 'Make the rule' }).click();
    await page.getByText('1 to 2').waitFor();
    expect(await findScalingRule(app.core, viewer, 'films')).toMatchObject({ idleThresholdSeconds: 300 });

    // Saved as it is, it is not touched.
    const written = async () =>
      app.database.query('select action from audit_events where account_id = $1 order by position', [viewer.accountId]);
    const before = await written();
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Save' }).waitFor({ state: 'detached' });
    expect(await written()).toEqual(before);

    await page.getByRole('button', { name: 'Change', exact: true }).click();
    // Somebody else changes another part of it meanwhile.
    await updateScalingRule(app.core, viewer, 'films', { maxReplicas: 9 });
    await page.getByLabel('Idle threshold').fill('60');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('1 to 9').waitFor();
    expect(await findScalingRule(app.core, viewer, 'films')).toMatchObject({
      minReplicas: 1,
      idleThresholdSeconds: 60,
    });
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove the rule' }).click();
    await page.getByText('No scaling rules yet').waitFor();
    expect(await listScalingRules(app.core, viewer)).toEqual([]);
  });

  test('is only looked at by who may not manage', async () => {
    const { viewer } = await app.account('OWNER', 'scaled-too');
    await createScalingRule(app.core, viewer, 'films', { minReplicas: 0, maxReplicas: 3, idleThresholdSeconds: 60 });
    const { secret } = await app.account('SUBMITTER', 'scaled-too');
    const { page, ...tab } = await open({ url: app.url });
    await tab.signIn(secret);
    await tab.go('/app/scaling');
    await page.getByText('0 to 3').waitFor();
    await page.getByRole('link', { name: 'Submit a job' }).waitFor();
    expect(await page.getByRole('button', { name: /Change|Remove|New rule/ }).count()).toBe(0);
  });
});

function idIn(url: string): string {
  return new URL(url).pathname.split('/').at(-1) ?? '';
}
