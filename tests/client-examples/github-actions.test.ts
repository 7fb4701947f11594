import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { finishAttempt } from '../../core/leases/finish.ts';
import { startTestApp } from '../support/app.ts';
import { claim, endings } from '../support/jobs.ts';
import { until } from '../support/until.ts';
import { faultsOfWorkflow } from '../support/workflow-parser.ts';
import { EXAMPLES } from './transcript.ts';

const FOLDER = join(EXAMPLES, 'github-actions');
const content = readFileSync(join(FOLDER, 'train.yml'), 'utf8');

const app = await startTestApp();
afterAll(() => app.close());

const faultsOf = (text: string) => faultsOfWorkflow('train.yml', text);

test('GitHub’s own parser has nothing against the workflow', () => {
  expect(faultsOf(content)).toEqual([]);
  expect(faultsOf(content.replace('runs-on', 'run-on'))).not.toEqual([]);
  expect(faultsOf(content.replace('vars.KELPIE_API_URL', 'varz.KELPIE_API_URL'))).not.toEqual([]);
});

test('no script of it has an expression in it: what a branch is called is nobody’s shell code', () => {
  const { jobs } = z
    .object({ jobs: z.object({ train: z.object({ steps: z.array(z.object({ run: z.string().optional() })) }) }) })
    .parse(parse(content));
  for (const { run = '' } of jobs.train.steps) expect(run).not.toContain('${{');
});

test('its step submits the job, waits for it, and ends as it does; run again, it waits for the same job', async ({
  onTestFinished,
}) => {
  const { steps } = z
    .object({ steps: z.array(z.object({ name: z.string().optional(), run: z.string().optional() })) })
    .parse((parse(content) as { jobs: { train: unknown } }).jobs.train);
  const script = steps.find(({ name }) => name === 'Train')?.run ?? '';
  const workspace = await mkdtemp(join(tmpdir(), 'kelpie-workspace-'));
  onTestFinished(() => rm(workspace, { recursive: true, force: true }));
  await cp(join(FOLDER, 'job.yaml'), join(workspace, 'job.yaml'));
  await symlink(join(EXAMPLES, '..'), join(workspace, 'kelpie'));
  const { viewer } = await app.account('OWNER', 'workflow');
  const { secret } = await app.account('SUBMITTER', 'workflow');
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: workspace,
    ...{ KELPIE_API_URL: app.url, KELPIE_API_KEY: secret },
    ...{ GITHUB_RUN_ID: '77', GITHUB_SHA: 'abc', GITHUB_REPOSITORY: 'me/model' },
  };
  // As a runner starts a script.
  const step = () =>
    new Promise<{ code: unknown; out: string }>((resolve) => {
      execFile('bash', ['-e', '-o', 'pipefail', '-c', script], { cwd: workspace, env }, (error, out, err) =>
        resolve({ code: error === null ? 0 : error.code, out: out + err }),
      );
    });
  const first = step();
  const job = await until('the job', () => claim(app.core, viewer, 'm', 'local').catch(() => undefined), 20_000);
  expect(job.labels).toEqual({ run: '77', commit: 'abc' });
  expect(job.sync?.after).toMatchObject([{ prefix: 'runs/77/output/' }]);
  await finishAttempt(app.core, viewer, job.lease, endings.failed);
  const again = await claim(app.core, viewer, 'other', 'local');
  await finishAttempt(app.core, viewer, again.lease, endings.failed);
  expect(await first).toMatchObject({ code: 1, out: expect.stringContaining('FAILED') as string });
  expect(await step()).toMatchObject({ code: 1, out: expect.stringContaining(job.id) as string });
});
