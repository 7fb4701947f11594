import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';

const TALKER = join(import.meta.dirname, 'support/talker.ts');
const said = z.object({ msg: z.string(), line: z.number().optional(), lines: z.number().optional() });

test.for(['info', 'error'])(
  'a log of level %s that nobody reads holds up nothing, and says later what of it was lost, and its last line',
  async (level) => {
    const talker = spawn(process.execPath, [TALKER, level], { stdio: ['pipe', 'pipe', 'pipe'] });
    onTestFinished(() => void talker.kill('SIGKILL'));
    // Nothing of its log is read until then.
    await once(talker.stdout, 'data');
    const read: z.infer<typeof said>[] = [];
    for await (const text of createInterface(talker.stderr)) {
      const line = said.parse(JSON.parse(text));
      read.push(line);
      if (line.line === 500) talker.stdin.write('go on\n');
    }
    const told = read.flatMap(({ lines }) => lines ?? []);
    const kept = read.flatMap(({ line }) => line ?? []);
    expect(told).toHaveLength(1);
    expect(kept.pop()).toBe(20_000);
    expect(kept).toEqual(kept.map((_, index) => index + 1));
    expect(kept.length + (told[0] ?? 0)).toBe(19_999);
    expect(kept.length).toBeLessThan(2000);
    expect(read.at(-1)?.msg).toBe('the last words');
  },
);
