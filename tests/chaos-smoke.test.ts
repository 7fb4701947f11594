import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const LIMIT_MS = 150_000;

test('no invariant breaks in some seconds of chaos, and the run ends by itself', { timeout: LIMIT_MS }, async () => {
  const program = join(import.meta.dirname, 'chaos/main.ts');
  const flags = ['--seconds', '8', '--seed', '324', '--agents', '4', '--json'];
  const child = spawn(process.execPath, [program, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LIMIT_MS,
  });
  const closed = once(child, 'close');
  const output = Buffer.concat((await child.stdout.toArray()) as Buffer[]).toString('utf8');
  const [code] = (await closed) as [number | null];
  expect(code, output).toBe(0);
  expect(JSON.parse(output.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ seed: 324, held: true });
});
