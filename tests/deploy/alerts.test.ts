import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { findTool, PROMTOOL } from '../../deploy/local/tools.ts';
import { createLog } from '../../server/log.ts';
import { createMetrics } from '../../server/metrics.ts';
import { openTestCore } from '../support/core.ts';
import { submit } from '../support/jobs.ts';

const RULES = join(import.meta.dirname, '../../deploy/prometheus');
const promtool = findTool(PROMTOOL);
const { core, account, close } = await openTestCore();
afterAll(close);

const rules = z.object({ groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string() })) })) });
const trials = z.object({ tests: z.array(z.object({ name: z.string() })) });
const read = (name: string): unknown => parse(readFileSync(join(RULES, name), 'utf8'));

describe('the alerts', () => {
  test('have each a trial in which it fires, and one in which it is silent', () => {
    const names = rules.parse(read('alerts.yml')).groups.flatMap((group) => group.rules.map(({ alert }) => alert));
    const wanted = names.flatMap((name) => [`${name} fires`, `${name} is silent`]);
    expect(trials.parse(read('alerts.test.yml')).tests.map(({ name }) => name)).toEqual(wanted);
  });

  test('are rules to Prometheus, and fire when they must', async ({ skip }) => {
    if ('missing' in promtool) return skip(promtool.missing);
    const run = async (...args: string[]) => (await promisify(execFile)(promtool.path, args, { cwd: RULES })).stdout;
    expect(await run('check', 'rules', 'alerts.yml')).toContain('SUCCESS');
    expect(await run('test', 'rules', 'alerts.test.yml')).toContain('SUCCESS');
  });
});

test('what a server exports is named as Prometheus would have it', async ({ skip }) => {
  if ('missing' in promtool) return skip(promtool.missing);
  await submit(core, (await account()).viewer);
  const metrics = createMetrics(core, createLog('silent'));
  const check = spawn(promtool.path, ['check', 'metrics'], { stdio: ['pipe', 'ignore', 'pipe'] });
  check.stdin.end((await metrics.read()).text);
  const faults = (await text(check.stderr)).split('\n').filter((line) => line !== '');
  // The library's own names.
  expect(faults.filter((line) => !/^(nodejs|process)_/.test(line))).toEqual([]);
});
