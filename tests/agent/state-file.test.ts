import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { AgentState } from '../../agent/occupation.ts';
import { createStateFile } from '../../agent/state-file.ts';
import { until } from '../support/until.ts';

const silent = pino({ level: 'silent' });
const idle: AgentState = { jobId: null, attempt: null, phase: 'IDLE', since: new Date(0) };
const running = (attempt: number): AgentState => ({ jobId: 'job', attempt, phase: 'RUNNING', since: new Date(1000) });
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-state-'));
  vi.stubEnv('TMPDIR', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function content(path: string | undefined): Promise<unknown> {
  const text = await readFile(path ?? '', 'utf8').catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text);
}

test('says what the agent does, and is gone with it', async () => {
  const path = join(folder, 'run', 'state.json');
  const file = await createStateFile(path, silent);
  expect(file.path).toBe(path);
  file.tell(idle);
  await until('the first state', () => content(path));
  expect(await content(path)).toEqual({ jobId: null, attempt: null, phase: 'IDLE', since: '1970-01-01T00:00:00.000Z' });
  file.tell(running(2));
  await until('the second state', async () => ((await content(path)) as AgentState).phase === 'RUNNING');
  expect(await content(path)).toEqual({
    ...{ jobId: 'job', attempt: 2, phase: 'RUNNING' },
    since: '1970-01-01T00:00:01.000Z',
  });
  await file.remove();
  file.tell(idle);
  expect(await readdir(join(folder, 'run'))).toEqual([]);
});

test('two agents that were told no path have files of their own, which nobody else can guess or write', async () => {
  const files = await Promise.all([createStateFile(undefined, silent), createStateFile(undefined, silent)]);
  const [one = '', other = ''] = files.map(({ path }) => path);
  expect(one).not.toBe(other);
  expect(one).toContain(`kelpie-${process.pid}-`);
  expect((await stat(join(one, '..'))).mode & 0o777).toBe(0o700);
  for (const file of files) {
    file.tell(idle);
    await file.remove();
  }
  expect(await readdir(folder)).toEqual([]);
});

test('a reader never sees a part of a state, and the last one is what stays', async () => {
  const path = join(folder, 'state.json');
  const file = await createStateFile(path, silent);
  file.tell(running(0));
  await until('the first state', () => content(path));
  const seen: number[] = [];
  for (let attempt = 1; attempt <= 300; attempt++) {
    file.tell(running(attempt));
    seen.push(((await content(path)) as { attempt: number }).attempt);
  }
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  await until('the last state', async () => ((await content(path)) as AgentState).attempt === 300);
  expect(await readdir(folder)).toEqual(['state.json']);
  await file.remove();
});

test('what a killed agent of the same number has left is in nobody’s way', async () => {
  const path = join(folder, 'state.json');
  await writeFile(`${path}.${process.pid}.new`, 'half a st');
  const file = await createStateFile(path, silent);
  file.tell(idle);
  expect(await until('the state', () => content(path))).toMatchObject({ phase: 'IDLE' });
  await file.remove();
});

test('a job that empties the temporary folder takes the file from no other', async () => {
  const file = await createStateFile(undefined, silent);
  file.tell(running(1));
  await until('the first state', () => content(file.path));
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
  file.tell(running(2));
  expect(await until('the second state', () => content(file.path))).toMatchObject({ attempt: 2 });
  expect((await stat(join(file.path ?? '', '..'))).mode & 0o777).toBe(0o700);
  await file.remove();
  expect(await readdir(folder)).toEqual([]);
});

test('links to other files are replaced, not followed', async () => {
  const path = join(folder, 'state.json');
  const victim = join(folder, 'victim');
  await writeFile(victim, 'precious');
  await symlink(victim, path);
  await symlink(victim, `${path}.${process.pid}.new`);
  const file = await createStateFile(path, silent);
  file.tell(idle);
  await until('the state', async () => (await lstat(path)).isFile());
  expect(await content(path)).toMatchObject({ phase: 'IDLE' });
  await file.remove();
  expect(await readdir(folder)).toEqual(['victim']);
  expect(await readFile(victim, 'utf8')).toBe('precious');
});

test('a place that cannot be written to is a warning, and no more', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const path = join(folder, 'taken');
  await mkdir(join(path, 'precious'), { recursive: true });
  const file = await createStateFile(path, log);
  file.tell(idle);
  await until('the warning', () => lines.length === 1);
  file.tell(running(1));
  await file.remove();
  expect(lines).toHaveLength(1);
  expect(await readdir(path)).toEqual(['precious']);
  expect(await readdir(folder)).toEqual(['taken']);

  const nowhere = await createStateFile(join(folder, 'state.json', 'x'), silent);
  expect(nowhere.path).toBe(join(folder, 'state.json', 'x'));
  await nowhere.remove();
});

test('where there is no temporary folder there is no file', async () => {
  await writeFile(join(folder, 'file'), '');
  vi.stubEnv('TMPDIR', join(folder, 'file'));
  const file = await createStateFile(undefined, silent);
  expect(file.path).toBeUndefined();
  file.tell(idle);
  await file.remove();
});
