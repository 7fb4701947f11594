import { spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { startCommand } from '../../../agent/process.ts';

/** What a program is started by to have no power over processes of other users, though it is root's: they survive its SIGKILL. */
export const POWERLESS = ['setpriv', '--bounding-set=-kill', '--inh-caps=-kill'] as const;

/** What a command is started by to become another user's. */
export const OF_ANOTHER_USER = 'setpriv --reuid=65534 --clear-groups';

/** Whether this machine can do both; only root can. */
export function canBePowerless(): boolean {
  const [file, ...args] = POWERLESS;
  return process.getuid?.() === 0 && spawnSync(file, [...args, ...OF_ANOTHER_USER.split(' '), 'true']).status === 0;
}

/** Starts the script that it is given, kills it when it has said something, and says how that ended. */
async function killWhenReady(script: string): Promise<void> {
  const stdout = new PassThrough();
  const spoken = new Promise((resolve) => stdout.once('data', resolve));
  const command = await startCommand({
    command: 'sh',
    arguments: ['-c', script],
    environment: { PATH: process.env['PATH'] ?? '' },
    workingDirectory: process.cwd(),
    killWaitMs: 200,
    stdout,
    stderr: new PassThrough(),
  });
  await spoken;
  const exit = await command.kill();
  process.stdout.write(JSON.stringify({ pid: command.pid, exit }));
  process.exit(0);
}

if (import.meta.main) await killWhenReady(process.argv[2] ?? '');
