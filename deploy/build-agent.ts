import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../lib/errors.ts';
import { demandNoWords } from '../lib/program-words.ts';
import { ROOT } from './agent/bundle.ts';
import { buildExecutable } from './agent/executable.ts';

/** `npm run build:agent`: makes dist/kelpie, for this machine's processor, and says what became of it. */
demandNoWords(
  'Usage: npm run build:agent\n\nMakes dist/kelpie, the agent as one executable, for the processor of this machine.\n',
);

try {
  const began = performance.now();
  const { path, sha256, unstripped } = await buildExecutable(join(ROOT, 'dist'));
  const { stdout } = await promisify(execFile)(path, ['--version'], { env: {} });
  const mib = ((await stat(path)).size / 2 ** 20).toFixed(1);
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  if (unstripped !== undefined)
    process.stdout.write(`It keeps its symbols, as strip (binutils) could not: ${unstripped}\n`);
  process.stdout.write(
    `dist/kelpie ${stdout.trim()}, linux-${process.arch}, ${mib} MiB, in ${seconds} s\nsha256 ${sha256}\n`,
  );
} catch (error) {
  process.stderr.write(`The agent's executable could not be built: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
