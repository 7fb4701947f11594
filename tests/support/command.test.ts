import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { processRuns, startProgram } from './program.ts';

const PROGRAM = join(import.meta.dirname, 'command-with-much-below.ts');
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
});
