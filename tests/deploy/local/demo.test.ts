import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { makeTemporaryDirectory } from '../../../lib/temporary.ts';
import { killMarked, processesMarked, startProgram } from '../../support/program.ts';
import { until } from '../../support/until.ts';

/** The demo's own limit is a minute, on a machine that has other things to do. */
const LIMIT_MS = 70_000;

const root = join(import.meta.dirname, '../../..');

/** The ports that the demo would like best, which somebody has already. */
const squatters = [createServer(), createServer()];
beforeAll(async () => {
  for (const [index, port] of [4000, 9000].entries()) {
    const squatter = squatters[index]!;
    squatter.listen(port, '127.0.0.1');
    // Where it is taken by somebody else, it is taken all the same.
    await Promise.race([once(squatter, 'listening'), new Promise((resolve) => squatter.once('error', resolve))]);
  }
});
afterAll(() => squatters.forEach((squatter) => squatter.close()));

describe('npm run demo', () => {
  test(
    'shows an interruption survived, with results that equal those of an uninterrupted run',
    async (context) => {
      const { demo, directory } = await startDemo(context);
      const { code } = await demo.ended;
      const said = demo.lines.join('\n');
      expect(code, said).toBe(0);
      expect(said).toMatch(/SIGKILL for machine-\d, which runs "long"/);
      expect(said).toMatch(/machine-\d goes on with "long" from the checkpoint/);
      expect(said).toMatch(/"long": π ≈ 3\.\d+, equal to an uninterrupted run's/);
      expect(said).toMatch(/"short": π ≈ 3\.\d+, equal to an uninterrupted run's/);
      expect(said).toMatch(/went on after step [1-9]/);
      expect(said).not.toContain('\u001b');
      await leavesNothing(directory);
    },
    LIMIT_MS,
  );

  test(
    'is ended by Ctrl-C in the middle, with all that it has started',
    async (context) => {
      const { demo, directory } = await startDemo(context);
      await demo.line((line) => /^ {2}long .* running +attempt 1 .* running$/.test(line));
      const interruptedAt = performance.now();
      // A terminal sends it to the whole group.
      process.kill(-demo.pid, 'SIGINT');
      const { code } = await demo.ended;
      expect(code).not.toBe(0);
      expect(performance.now() - interruptedAt).toBeLessThan(15_000);
      await leavesNothing(directory);
    },
    LIMIT_MS,
  );
});

/** Starts it with a directory of its own for everything temporary, by which everything it starts can be told. */
async function startDemo({ onTestFinished }: TestContext) {
  const directory = await makeTemporaryDirectory('kelpie-of-the-demo-');
  const demo = startProgram('npm', ['run', 'demo'], {
    workingDirectory: root,
    patienceMs: LIMIT_MS,
    environment: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', TMPDIR: directory },
  });
  onTestFinished(async () => {
    await demo.vanish();
    await killMarked(directory);
    await rm(directory, { recursive: true, force: true });
  });
  return { demo, directory };
}

async function leavesNothing(directory: string): Promise<void> {
  await until('the end of all that the demo has started', () => processesMarked(directory).length === 0);
  expect((await readdir(directory)).filter((name) => name.startsWith('kelpie-'))).toEqual([]);
}
