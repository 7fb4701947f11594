import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { z } from 'zod';
import { processRuns, startProgram } from './program.ts';

const PROGRAM = join(import.meta.dirname, 'command-with-much-below.ts');
const WITH_MOUNTS = join(import.meta.dirname, 'command-with-mounts.ts');
const IN_ITS_OWN_WORLD = ['unshare', '--mount'] as const;
const canMount = spawnSync(IN_ITS_OWN_WORLD[0], [...IN_ITS_OWN_WORLD.slice(1), 'true']).status === 0;
const said = z.object({ directory: z.string(), pids: z.array(z.number()).length(3) });

describe('a command', () => {
  test.for([
    { how: 'that is ended by a supervisor', signal: 'SIGTERM', code: 143 },
    { how: 'that is interrupted at a terminal', signal: 'SIGINT', code: 130 },
    { how: 'whose work fails', signal: undefined, code: 1 },
  ] as const)('$how leaves no process and no file', async ({ signal, code }, { onTestFinished }) => {
    const command = startProgram(process.execPath, [PROGRAM, signal === undefined ? 'throw' : 'wait'], {
      environment: { PATH: process.env.PATH ?? '' },
      workingDirectory: '/',
    });
    onTestFinished(() => command.vanish());
    const { directory, pids } = said.parse(JSON.parse(await command.line((line) => line.startsWith('{'))));
    if (signal !== undefined) command.signal(signal);
    expect(await command.ended, command.lines.join('\n')).toEqual({ code, signal: null });
    expect(pids.filter(processRuns)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
    expect(command.lines.join('\n')).toContain(signal ?? 'as it was told');
  });

  test.for([
    { name: 'runCommand', words: [PROGRAM, 'throw'], code: 1 },
    { name: 'the chaos run', words: [join(import.meta.dirname, '../chaos/main.ts')], code: 2 },
  ])('that can’t even begin fails, and says why: $name', async ({ words, code }, { onTestFinished }) => {
    const command = startProgram(process.execPath, words, {
      environment: { PATH: process.env.PATH ?? '', TMPDIR: join(import.meta.dirname, 'not-there') },
      workingDirectory: '/',
    });
    onTestFinished(() => command.vanish());
    expect(await command.ended).toEqual({ code, signal: null });
    expect(command.lines.join('\n')).toMatch(/no such file or directory.*not-there/);
  });

  test('lets debootstrap unmount what it has mounted', async ({ onTestFinished }) => {
    const { code, folder } = await endOf(['asked'], onTestFinished);
    expect(code).toBe(0);
    expect(await readFile(join(folder, 'unmounted'), 'utf8')).toBe('dev\nproc\nsys\n');
  });

  test('tells of an error that nobody waits for, also when the work is done', async ({ onTestFinished }) => {
    const { code, lines } = await endOf(['late'], onTestFinished);
    expect(code).toBe(0);
    expect(lines).toContain('Error: too late for the work');
  });

  test.runIf(canMount)(
    'removes nothing of what is mounted in its directory, and says so',
    async ({ onTestFinished }) => {
      const { code, lines } = await endOf(['mounted'], onTestFinished, IN_ITS_OWN_WORLD);
      expect(code).toBe(0);
      expect(lines.join('\n')).toMatch(/kelpie-run-\w+ stays: unmount \S+\/mounted, then remove it/);
    },
  );
});

/** How a command ends whose temporary files are below the folder in which it was started. */
async function endOf(
  words: readonly string[],
  onTestFinished: TestContext['onTestFinished'],
  by: readonly string[] = [],
) {
  const folder = await mkdtemp(join(tmpdir(), 'kelpie-command-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [file = '', ...rest] = [...by, process.execPath, WITH_MOUNTS, ...words];
  const command = startProgram(file, rest, {
    environment: { PATH: process.env.PATH ?? '', TMPDIR: folder },
    workingDirectory: folder,
  });
  onTestFinished(() => command.vanish());
  const { code } = await command.ended;
  return { folder, code, lines: command.lines };
}
