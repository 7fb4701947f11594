import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { runCommand } from './command.ts';
import { startProgram } from './program.ts';

/** Of the tests of commands: a database, and a program in a group of its own that has started another in one more; then as it is told. */
const [ending] = process.argv.slice(2);

await runCommand(async () => {
  const directory = tmpdir();
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false });
  const script = 'trap "" TERM; setsid sleep 1000 & echo "below $!"; wait';
  const program = startProgram('sh', ['-c', script], { environment: {}, workingDirectory: directory });
  const line = await program.line((text) => text.startsWith('below '));
  const pids = [postgres.pid, program.pid, Number(line.split(' ')[1])];
  process.stdout.write(`${JSON.stringify({ directory, pids })}\n`);
  if (ending === 'throw') throw new Error('as it was told');
  await new Promise(() => undefined);
});
