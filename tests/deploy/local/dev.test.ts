import { execFile } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test, type TestContext } from 'vitest';
import { z } from 'zod';
import { makeTemporaryDirectory } from '../../../lib/temporary.ts';
import { killMarked, processesMarked, startProgram, type TestProgram } from '../../support/program.ts';
import { until } from '../../support/until.ts';

const root = join(import.meta.dirname, '../../..');
const LIMIT_MS = 60_000;

test(
  'npm run dev has a rule for its group, lets agents come for a rule of one’s own, does what the README submits, and ends with all it has started on Ctrl-C',
  async (context) => {
    const { dev, directory } = await startDev(context);
    const url = await said(dev, 'REST');
    const key = await said(dev, 'key');
    const ask = async (method: string, path: string, body?: object) => {
      const headers = { 'X-Kelpie-Key': key, 'Content-Type': 'application/json' };
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
      const response = await fetch(`${url}${path}`, init);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    expect((await ask('GET', '/scaling-rules/local')).body).toMatchObject({ min_replicas: 0, max_replicas: 4 });

    expect((await ask('POST', '/scaling-rules', { container_group_id: 'mine', max_replicas: 2 })).status).toBe(201);
    const job = { command: 'sh', arguments: ['-c', 'echo by $SALAD_MACHINE_ID'], container_group_id: 'mine' };
    const { id } = (await ask('POST', '/jobs', job)).body as { id: string };
    const done = await until(
      'the job to be completed',
      async () => {
        const { body } = await ask('GET', `/jobs/${id}`);
        return body.status === 'completed' && body;
      },
      30_000,
    );
    const logs = await fetch(`${url}/jobs/${id}/logs`, { headers: { 'X-Kelpie-Key': key, Accept: 'text/plain' } });
    expect(await logs.text()).toContain(`by ${String(done.machine_id)}`);
    expect(done.machine_id).toMatch(/^local-/);
    expect(processesMarked(`SALAD_MACHINE_ID=${String(done.machine_id)}`)).not.toEqual([]);

    for (const submitted of [await submitAsReadmeHasIt(url, key), await submitAsReadmeHasItInGraphql(ask)]) {
      await until(
        'the job of the README to be completed',
        async () => {
          const { body } = await ask('GET', `/jobs/${submitted}`);
          expect(body.status).not.toBe('failed');
          return body.status === 'completed';
        },
        30_000,
      );
    }

    // A terminal sends it to the whole group.
    process.kill(-dev.pid, 'SIGINT');
    expect(await dev.ended).toEqual({ code: 0, signal: null });
    await until('the end of all that it has started', () => processesMarked(directory).length === 0);
    expect((await readdir(directory)).filter((name) => name.startsWith('kelpie-'))).toEqual([]);
  },
  LIMIT_MS,
);

test('npm run dev is what the test above has started', async () => {
  const manifest = z.object({ scripts: z.record(z.string(), z.string()) });
  const { scripts } = manifest.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  expect(scripts.dev).toBe('npm run -s build:dashboard && node deploy/local/dev.ts');
});

type Ask = (method: string, path: string, body?: object) => Promise<{ body: Record<string, unknown> }>;

/** By the very lines, but for the address, the key, and the time that nobody here has. */
async function submitAsReadmeHasIt(url: string, key: string): Promise<string> {
  const script = (await blocksOfReadme('sh')).find((text) => text.includes('monte-carlo.ts')) ?? '';
  const meant = script
    .replace('http://127.0.0.1:4000', url)
    .replace('KEY=…', `KEY=${key}`)
    .replace('"--pause-ms", "200"', '"--pause-ms", "0"');
  const { stdout } = await promisify(execFile)('sh', ['-c', meant], { cwd: root });
  return idIn(JSON.parse(stdout));
}

async function submitAsReadmeHasItInGraphql(ask: Ask): Promise<string> {
  const query = (await blocksOfReadme('graphql')).find((text) => text.includes('submitJob'));
  const { body } = await ask('POST', '/graphql', { query });
  return idIn(z.object({ data: z.object({ submitJob: z.unknown() }) }).parse(body).data.submitJob);
}

function idIn(answer: unknown): string {
  return z.object({ id: z.string() }).parse(answer).id;
}

async function blocksOfReadme(language: string): Promise<string[]> {
  const page = await readFile(join(root, 'README.md'), 'utf8');
  return [...page.matchAll(/^```(\w+)\n(.*?)^```/gms)].flatMap(([, of, text = '']) => (of === language ? [text] : []));
}

/** In a directory of its own, so that nobody's database is touched, and by which everything it starts can be told. */
async function startDev({ onTestFinished }: TestContext) {
  const directory = await makeTemporaryDirectory('kelpie-of-dev-');
  const dev = startProgram(process.execPath, [join(root, 'deploy/local/dev.ts')], {
    workingDirectory: directory,
    patienceMs: LIMIT_MS,
    environment: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', TMPDIR: directory },
  });
  onTestFinished(async () => {
    await dev.vanish();
    await killMarked(directory);
    await rm(directory, { recursive: true, force: true });
  });
  return { dev, directory };
}

/** What it has said behind this name. */
async function said(dev: TestProgram, name: string): Promise<string> {
  const line = await dev.line((text) => text.trim().startsWith(`${name} `));
  return line.trim().split(/\s+/)[1] ?? '';
}
