import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { canBePowerless, OF_ANOTHER_USER, POWERLESS } from './support/powerless.ts';

const PROGRAM = fileURLToPath(new URL('support/powerless.ts', import.meta.url));
const report = z.object({
  pid: z.number(),
  exit: z.object({ exitCode: z.number().nullable(), signal: z.string().nullable(), survivor: z.string().optional() }),
});

/** Has an agent's command run `script` and be killed by somebody who cannot kill all of it. */
async function killed(script: string) {
  const [file, ...args] = POWERLESS;
  const { stdout } = await promisify(execFile)(file, [...args, process.execPath, PROGRAM, script]);
  const { pid, exit } = report.parse(JSON.parse(stdout));
  onTestFinished(() => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nothing was left.
    }
  });
  return { pid, exit };
}

describe.runIf(canBePowerless())('what survives SIGKILL', () => {
  test('is given up after a while, and named', async () => {
    const { pid, exit } = await killed(`exec ${OF_ANOTHER_USER} sh -c 'echo ready; exec sleep 300'`);
    expect(exit.survivor).toMatch(new RegExp(`^process ${pid} \\((?:sleep|sh), state [A-Z]\\)$`));
    expect(exit).toMatchObject({ exitCode: null, signal: null });
  });

  test('is not waited for where it is another user’s and not the command itself', async () => {
    const { exit } = await killed(`${OF_ANOTHER_USER} sh -c 'echo ready; exec sleep 300' & wait`);
    expect(exit).toEqual({ exitCode: null, signal: 'SIGKILL' });
  });
});
