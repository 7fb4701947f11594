import { execFileSync } from 'node:child_process';
import { rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Progress, type ProgressFile, createProgressFile } from '../../agent/progress.ts';

let file: ProgressFile;
let told: Progress[];

beforeEach(async () => {
  file = await createProgressFile(pino({ enabled: false }));
  told = [];
  file.watch((progress) => told.push(progress));
});
afterEach(async () => {
  await file.finish();
  await file.remove();
});

const write = (content: string) => writeFile(file.path!, content);

test('what the command writes is told while it runs, and once', async () => {
  await write('{"fraction": 0.5, "message": "half", "metrics": {"loss": 1.5}}');
  await expect.poll(() => told, { timeout: 5000 }).toHaveLength(1);
  await file.finish();
  expect(told).toEqual([{ fraction: 0.5, message: 'half', metrics: { loss: 1.5 } }]);
});

test('the last word is heard although the command ends right after it', async () => {
  await write('{"fraction": 1}');
  await file.finish();
  expect(told).toEqual([{ fraction: 1 }]);
});

test.each([
  '{"fraction": 0.',
  '{"metrics": {"name": "\\u0000"}}',
  '{"fraction": 2}',
  '"half"',
  '',
  `{"message": "${'x'.repeat(70_000)}"}`,
])('what is no progress is not told: %.20s', async (content) => {
  await write(content);
  await file.finish();
  expect(told).toEqual([]);
});

test('a message is cut to what the server stores', async () => {
  await write(JSON.stringify({ message: `\0${'🐕'.repeat(600)}` }));
  await file.finish();
  expect(told).toHaveLength(1);
  expect(told[0]!.message!.length).toBeLessThanOrEqual(1000);
  expect(told[0]!.message).toMatch(/^🐕/);
});

test('a half-written file is told when it is whole', async () => {
  await write('{"fraction": 0.');
  await file.finish();
  await write('{"fraction": 0.25}');
  await file.finish();
  expect(told).toEqual([{ fraction: 0.25 }]);
});

test('a pipe, a link or a device in its place is not read, and holds nothing up', async () => {
  execFileSync('mkfifo', [file.path!]);
  await file.finish();
  await rm(file.path!);
  await symlink('/dev/zero', file.path!);
  await file.finish();
  expect(told).toEqual([]);
});

test('nothing of it is left after removal', async () => {
  await write('{}');
  await file.remove();
  expect(existsSync(dirname(file.path!))).toBe(false);
});
