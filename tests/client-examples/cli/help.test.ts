import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EXIT } from '../../../client-examples/cli/exits.ts';
import { ran } from './support.ts';

test('help names every command and every exit code', async () => {
  const { exit, out } = await ran(['--help']);
  expect(exit).toBe(0);
  for (const command of ['submit', 'list', 'get', 'watch', 'logs', 'cancel', 'retry', 'agents', 'rules', 'keys']) {
    expect(out).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
  }
  for (const command of ['login', 'logout', 'completion']) expect(out).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
  const codes = out.slice(out.indexOf('Exit codes:'));
  for (const code of Object.values(EXIT)) expect(codes).toMatch(new RegExp(`\\b${code} `));
});

test('--version says which version of the package this is', async () => {
  const text = await readFile(join(import.meta.dirname, '../../../package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  expect(await ran(['--version'])).toMatchObject({ exit: 0, out: `${version}\n`, err: '' });
});
