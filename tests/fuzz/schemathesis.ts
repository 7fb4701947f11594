import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Target } from './target.ts';

/** Pinned, so that the same document is judged in the same way. */
const VERSION = '4.32.5';

/** What it looks at: the server holds to its document, and says nothing of its inside. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'ignored_auth',
];

/** With `follow` its answer goes on until a job has ended, which is taken for a fault there: our own fuzzer has it. */
const ENDLESS = 'readLogs';

/**
 * Runs another fuzzer for OpenAPI against the server, as an owner. It is installed once, into `.kelpie/`; what it leaves behind
 * goes to `directory`.
 * @returns its exit code
 */
export async function runSchemathesis(target: Target, cases: number, directory: string): Promise<number> {
  const home = join(import.meta.dirname, '../../.kelpie', `schemathesis-${VERSION}`);
  const program = join(home, 'bin', 'schemathesis');
  if (!existsSync(program)) {
    await mkdir(home, { recursive: true });
    await mustRun('python3', ['-m', 'venv', home]);
    await mustRun(join(home, 'bin', 'pip'), ['install', '--quiet', `schemathesis==${VERSION}`]);
  }
  return run(
    program,
    [
      'run',
      `${target.url}/openapi.json`,
      '--header',
      `X-Kelpie-Key: ${target.keys.owner ?? ''}`,
      '--max-examples',
      String(Math.max(1, Math.round(cases / 20))),
      '--checks',
      CHECKS.join(','),
      '--exclude-operation-id',
      ENDLESS,
      '--generation-database',
      'none',
    ],
    directory,
  );
}

async function mustRun(command: string, args: string[]): Promise<void> {
  const code = await run(command, args);
  if (code !== 0) throw new Error(`Expected ${command} ${args.join(' ')} to succeed, it ended with ${code}`);
}

async function run(command: string, args: string[], cwd?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', cwd });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}
