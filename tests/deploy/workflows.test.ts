import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ACTIONLINT, findTool } from '../../deploy/local/tools.ts';
import { faultsOfWorkflow } from '../support/workflow-parser.ts';

const ROOT = join(import.meta.dirname, '../..');
const WORKFLOWS = join(ROOT, '.github/workflows');
const environment = z.record(z.string(), z.string()).default({});
const step = z.looseObject({ uses: z.string().optional(), run: z.string().optional(), env: environment });
const permissions = z.object({ contents: z.enum(['read', 'write']) }).optional();
const ofSteps = z.object({ 'timeout-minutes': z.number(), permissions, env: environment, steps: z.array(step) });
/** One of our own, whose jobs have their own limits. It is handed no secret. */
const ofWorkflow = z
  .strictObject({ uses: z.string().regex(/^\.\/\.github\/workflows\/[\w-]+\.yml$/), needs: z.string().optional() })
  .transform(() => ofSteps.parse({ 'timeout-minutes': 0, steps: [] }));
const job = z.union([ofSteps, ofWorkflow]);
type Job = z.infer<typeof job>;
const workflow = z.object({
  permissions: z.object({ contents: z.literal('read') }),
  env: environment,
  jobs: z.record(z.string(), job),
});
const actionlint = findTool(ACTIONLINT);

describe.for(readdirSync(WORKFLOWS))('the workflow %s', (file) => {
  const text = readFileSync(join(WORKFLOWS, file), 'utf8');
  const { env, jobs } = workflow.parse(parse(text));
  const steps = Object.values(jobs).flatMap((job) => job.steps);

  test('is one that GitHub takes, with no rights that a job does not ask for', () => {
    expect(faultsOfWorkflow(file, text)).toEqual([]);
  });

  test('has nothing that actionlint objects to', async ({ skip }) => {
    if ('missing' in actionlint) return skip(actionlint.missing);
    // Other programs that it would run if they were there are of whatever version.
    const quiet = ['-no-color', '-shellcheck=', '-pyflakes='];
    const run = promisify(execFile)(actionlint.path, [...quiet, join(WORKFLOWS, file)]);
    await expect(run).resolves.toMatchObject({ stdout: '' });
  });

  test('takes actions by their commits, and says which versions those are', () => {
    const uses = [...text.matchAll(/uses: (?!\.\/)(.*)$/gm)].map(([, action]) => action);
    expect(uses.length).toBeGreaterThan(0);
    for (const action of uses) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('hands secrets, and the right to write, to single steps of jobs that run nothing of others, nor of this repository', () => {
    const isSecret = (value: string) => /github\.token|secrets\./.test(value);
    for (const outer of [env, ...Object.values(jobs).map((job) => job.env)]) {
      expect(Object.values(outer).filter(isSecret)).toEqual([]);
    }
    // A step can change what the later ones of its job find in their PATH.
    const isTrusted = (job: Job) =>
      job.permissions?.contents === 'write' || job.steps.some((one) => Object.values(one.env).some(isSecret));
    for (const job of Object.values(jobs).filter(isTrusted)) {
      for (const { run = '', uses = '' } of job.steps) {
        expect(run).not.toMatch(/\bnp[mx] |\bnode |docker build|docker run/);
        expect(uses).not.toContain('checkout');
      }
    }
  });

  test('has no expression in a script: what a tag is called is nobody’s shell code', () => {
    for (const { run = '' } of steps) expect(run).not.toContain('${{');
  });
});

describe('a change, and so a release,', () => {
  const { jobs } = workflow.parse(parse(readFileSync(join(WORKFLOWS, 'ci.yml'), 'utf8')));
  const commands = Object.values(jobs).flatMap(({ env, steps }) => steps.map(({ run = '' }) => ({ run, env })));

  test.for(['containers', 'images'])('is tried in containers (%s), as root, and a skip is a failure', (name) => {
    const found = commands.filter(({ run }) => run.includes(`npm run test:${name}`));
    expect(found).toHaveLength(1);
    for (const { run, env } of found) {
      expect(run).toMatch(/^sudo --preserve-env=\S*\bKELPIE_TEST_CONTAINERS\b/);
      expect(env).toEqual({ KELPIE_TEST_CONTAINERS: 'demanded' });
    }
  });

  test('is tried with what root alone can make, and a skip of that is a failure', () => {
    const needRoot = ['tests/agent/workers.test.ts', 'tests/agent/end-to-end/dead-disk.test.ts'];
    const found = commands.filter(({ run }) => needRoot.every((file) => run.includes(file)));
    expect(found.map(({ env }) => env)).toEqual([{ KELPIE_TEST_CONTAINERS: 'demanded' }]);
    expect(found[0]?.run).toMatch(/^sudo --preserve-env=\S*\bKELPIE_TEST_CONTAINERS\b/);
    for (const file of needRoot) expect(readFileSync(join(ROOT, file), 'utf8')).toContain('canOrMust(');
  });

  test('is tried by the suite where everything is that its tests use', () => {
    const runs = jobs['check']!.steps.map(({ run = '' }) => run);
    expect(runs).toContain('sudo .ci/install');
    expect(runs.indexOf('sudo .ci/install')).toBeLessThan(runs.indexOf('.ci/run'));
  });

  test('is tried as an upgrade, from a clone that has the release before', () => {
    const [found] = Object.values(jobs).filter(({ steps }) => steps.some(({ run }) => run === 'npm run test:upgrade'));
    expect(found?.steps[0]).toMatchObject({ with: { 'fetch-depth': 0 } });
  });

  test('is tried before anything of it is released, and what is released has its licences beside it', () => {
    const text = readFileSync(join(WORKFLOWS, 'release.yml'), 'utf8');
    const needs = z.object({
      jobs: z.record(z.string(), z.object({ needs: z.unknown().optional(), uses: z.string().optional() })),
    });
    const released = needs.parse(parse(text)).jobs;
    expect(released['check']).toEqual({ needs: 'version', uses: './.github/workflows/ci.yml' });
    for (const name of ['executable', 'image']) expect(released[name]?.needs).toBe('check');
    expect(released['publish']?.needs).toEqual(['executable', 'image']);
    expect(text).toContain('cp dist/kelpie.licenses.txt "release/$NAME.licenses.txt"');
  });
});
