import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import { startProgram } from './program.ts';

/** Of the tests of commands: work that leaves something to be put away, and how that goes. */
const [what] = process.argv.slice(2);

/**
 * Puts away as debootstrap does, by other programs, one after the other, when it is told to end; and says so in a file. What it waits for is
 * there before it can be told.
 */
const DEBOOTSTRAP = `#!/bin/sh
trap 'for at in dev proc sys; do ( sh -c "sleep 0.1; echo $at >> unmounted" ); done' 0
trap 'exit 143' 15
( echo mounted; exec sleep 1000 )
`;

await runCommand(
  async () => {
    if (what === 'asked') await startDebootstrap();
    if (what === 'mounted') {
      const at = join(tmpdir(), 'mounted');
      mkdirSync(at);
      execFileSync('mount', ['-t', 'tmpfs', 'none', at]);
      await writeFile(join(at, 'of-another'), '');
    }
  },
  {
    last: async () => {
      if (what !== 'late') return;
      void Promise.reject(new Error('too late for the work'));
      // Node tells of it between two turns of its loop.
      await new Promise(setImmediate);
    },
  },
);

async function startDebootstrap(): Promise<void> {
  const path = join(tmpdir(), 'debootstrap');
  await writeFile(path, DEBOOTSTRAP);
  await chmod(path, 0o755);
  const program = startProgram(path, [], { environment: {}, workingDirectory: process.cwd() });
  await program.line((text) => text === 'mounted');
}
