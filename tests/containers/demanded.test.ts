import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { areContainersDemanded, canOrMust } from '../support/podman.ts';

/** Of a machine without podman. */
async function run(script: string, demand: Record<string, string>): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', script)], {
    env: { PATH: import.meta.dirname, ...demand },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  const [code] = (await closed) as [number | null];
  return { code, said };
}

describe.each(['containers/main.ts', 'images/main.ts'])('where there can be no containers, %s', (script) => {
  test('skips, and says why', async () => {
    const { code, said } = await run(script, {});
    expect(said).toMatch(/skipped: |SKIPPED, /i);
    expect(code).toBe(0);
  });

  test('fails, and says why, when they are demanded', async () => {
    const { code, said } = await run(script, { KELPIE_TEST_CONTAINERS: 'demanded' });
    expect(said).toMatch(/missing: podman|only root|Linux/);
    expect(said).not.toMatch(/skipped/i);
    expect(code).toBe(1);
  });
});

test('a slip is not taken for a demand that is not there', () => {
  vi.stubEnv('KELPIE_TEST_CONTAINERS', 'demand');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(() => areContainersDemanded()).toThrow('to be demanded, or not set; got demand');
});

test('a test of what root alone can make is skipped where it can’t be, unless it is demanded: then that is an error', () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('KELPIE_TEST_CONTAINERS', '');
  expect([true, false].map((can) => canOrMust(can, 'a disk'))).toEqual([true, false]);
  vi.stubEnv('KELPIE_TEST_CONTAINERS', 'demanded');
  expect(canOrMust(true, 'a disk')).toBe(true);
  expect(() => canOrMust(false, 'a disk')).toThrow('Expected a disk, which KELPIE_TEST_CONTAINERS demands; got none');
});
