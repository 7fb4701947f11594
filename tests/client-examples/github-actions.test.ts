import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { findJob } from '../../core/jobs/find.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import { startTestApp } from '../support/app.ts';
import { claim, endings } from '../support/jobs.ts';
import { startProgram, type TestProgram } from '../support/program.ts';
import { faultsOfWorkflow } from '../support/workflow-parser.ts';
import { EXAMPLES, expectTranscript } from './transcript.ts';

const FOLDER = join(EXAMPLES, 'github-actions');
const REPOSITORY = join(EXAMPLES, '..');
const content = readFileSync(join(FOLDER, 'train.yml'), 'utf8');

/** All that the runner below knows of a step: a workflow that wants more of it is refused here. */
const step = z.strictObject({
  name: z.string().optional(),
  uses: z.string().optional(),
  with: z.unknown().optional(),
  run: z.string().optional(),
  if: z.literal('cancelled()').optional(),
});
type Step = z.infer<typeof step>;
const { env, steps } = z
  .object({ jobs: z.object({ train: z.object({ env: z.record(z.string(), z.string()), steps: z.array(step) }) }) })
  .parse(parse(content)).jobs.train;
const FROM_TRAIN = steps.slice(steps.findIndex(({ name }) => name === 'Train'));

const app = await startTestApp();
afterAll(() => app.close());

const faultsOf = (text: string) => faultsOfWorkflow('train.yml', text);

test('GitHub’s own parser has nothing against the workflow', () => {
  expect(faultsOf(content)).toEqual([]);
  expect(faultsOf(content.replace('runs-on', 'run-on'))).not.toEqual([]);
  expect(faultsOf(content.replace('vars.KELPIE_API_URL', 'varz.KELPIE_API_URL'))).not.toEqual([]);
});

test('no script of it has an expression in it: what a branch is called is nobody’s shell code', () => {
  for (const { run = '' } of steps) expect(run).not.toContain('${{');
});

test('a run submits the job and ends as it does; one that is canceled cancels its job', async () => {
  const { viewer, workspace } = await workflow('whole');
  const whole = await run(steps, workspace('77'), async (train) => {
    await train.line((line) => line.includes('PENDING'));
    const { lease, labels, sync } = await claim(app.core, viewer, 'machine-1', 'local');
    expect(labels).toEqual({ run: '77', commit: 'abc' });
    expect(sync?.after).toMatchObject([{ prefix: 'runs/77/output/' }]);
    await heartbeat(app.core, viewer, lease, { phase: 'RUNNING', progress: { ...NOTHING, fraction: 0.3 } });
    await train.line((line) => line.includes('30 %'));
    await finishAttempt(app.core, viewer, lease, endings.completed);
  });
  expect(whole.conclusion).toBe('succeeded');

  const other = await workflow('canceled');
  let id = '';
  const canceled = await run(FROM_TRAIN, other.workspace('78'), async (train) => {
    await train.line((line) => line.includes('PENDING'));
    ({ id } = await claim(app.core, other.viewer, 'machine-1', 'local'));
    await train.line((line) => line.includes('RUNNING'));
    return 'CANCEL';
  });
  expect(canceled.conclusion).toBe('was canceled');
  expect((await findJob(app.core, other.viewer, id)).status).toBe('CANCELED');
  await expectTranscript(
    'github-actions',
    [
      { typed: 'gh workflow run Train', lines: whole.lines },
      { typed: 'gh run cancel  # one that is at the training', lines: canceled.lines },
    ],
    [[/added \d+ packages in .*/g, 'added <n> packages']],
  );
});

test('a run whose job fails has failed; run again, it waits for the same job', async () => {
  const { viewer, workspace } = await workflow('again');
  let id = '';
  const first = await run(FROM_TRAIN, workspace('77'), async (train) => {
    await train.line((line) => line.includes('PENDING'));
    for (const machine of ['machine-1', 'machine-2']) {
      const job = await claim(app.core, viewer, machine, 'local');
      await finishAttempt(app.core, viewer, job.lease, endings.failed);
      ({ id } = job);
    }
  });
  const again = await run(FROM_TRAIN, workspace('77'));
  for (const { conclusion, lines } of [first, again]) {
    expect([conclusion, lines.at(-3)]).toEqual(['failed', expect.stringContaining(`${id}  train  FAILED`)]);
  }
});

const NOTHING = { message: null, metrics: null };

/** Where a run works, and with what. */
interface Workspace {
  folder: string;
  environment: Record<string, string>;
}

/** Somebody who has set the workflow up; each run of it, by its number, finds the same workspace. */
async function workflow(account: string) {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-workflow-'));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const folder = join(home, 'workspace');
  // As it is when all is checked out.
  await cp(join(FOLDER, 'job.yaml'), join(folder, 'job.yaml'));
  for (const name of ['package.json', 'package-lock.json'])
    await cp(join(REPOSITORY, name), join(folder, 'kelpie', name));
  await symlink(EXAMPLES, join(folder, 'kelpie/client-examples'));
  const { viewer } = await app.account('OWNER', account);
  const { secret } = await app.account('SUBMITTER', account);
  const set = { 'vars.KELPIE_API_URL': app.url, 'secrets.KELPIE_API_KEY': secret };
  const environment = {
    ...{ PATH: process.env['PATH'] ?? '', HOME: home },
    // What it is to install the clone has already: npm looks whether it could, and asks nobody.
    ...{ npm_config_dry_run: 'true', npm_config_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' },
    ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, evaluated(value, set)])),
    ...{ GITHUB_SHA: 'abc', GITHUB_REPOSITORY: 'me/model' },
  };
  const workspace = (id: string): Workspace => ({ folder, environment: { ...environment, GITHUB_RUN_ID: id } });
  return { viewer, workspace };
}

/** What stands in `${{ … }}` there; anything but a name that is set is refused. */
function evaluated(value: string, set: Readonly<Record<string, string>>): string {
  return value.replaceAll(/\$\{\{(.*?)\}\}/g, (_, expression: string) => {
    const found = set[expression.trim()];
    if (found === undefined) throw new Error(`Expected one of ${Object.keys(set).join(', ')}, got ${expression}`);
    return found;
  });
}

/**
 * Takes the steps in turn as a runner does, until one fails or the run is canceled.
 * @param beside what happens while the job is trained; with CANCEL somebody cancels the run
 */
async function run(
  which: readonly Step[],
  workspace: Workspace,
  beside: (train: TestProgram) => Promise<unknown> = async () => undefined,
): Promise<{ conclusion: 'succeeded' | 'failed' | 'was canceled'; lines: string[] }> {
  const lines: string[] = [];
  let conclusion: 'succeeded' | 'failed' | 'was canceled' = 'succeeded';
  for (const one of which) {
    const isDue = conclusion === (one.if === undefined ? 'succeeded' : 'was canceled');
    lines.push(`${one.name ?? `Run ${one.uses ?? one.run ?? ''}`}${isDue ? '' : ' (skipped)'}`);
    // Actions bring what is in the workspace already.
    if (!isDue || one.run === undefined) continue;
    const program = await startScript(one.run, workspace);
    if (one.name === 'Train' && (await beside(program)) === 'CANCEL') {
      conclusion = 'was canceled';
      program.signalAll('SIGINT');
    }
    const { code } = await program.ended;
    // What npm says of each package, and of itself, differs from machine to machine.
    lines.push(...program.lines.filter((line) => line !== '' && !/^(add|npm) /.test(line)).map((line) => `  ${line}`));
    if (code !== 0 && conclusion === 'succeeded') conclusion = 'failed';
  }
  lines.push(`The run ${conclusion}`);
  return { conclusion, lines };
}

/** As the runner of Linux starts one that does not name its shell. */
async function startScript(script: string, { folder, environment }: Workspace): Promise<TestProgram> {
  const path = join(folder, '../script.sh');
  await writeFile(path, script);
  const program = startProgram('bash', ['-e', path], { workingDirectory: folder, environment });
  onTestFinished(() => program.vanish());
  return program;
}
