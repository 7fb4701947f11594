import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { messageOf } from '../../lib/errors.ts';
import { runCommand } from '../support/command.ts';
import { fuzz, linesOf } from './run.ts';
import { runSchemathesis } from './schemathesis.ts';
import { startTarget, type Target } from './target.ts';

/**
 * npm run fuzz:rest -- [--cases 10000] [--seed N] [--schemathesis]
 *
 * Requests that are made from the server's own document, against a real server on an embedded PostgreSQL. Exit code 0 only if no
 * answer was unexpected, undeclared, or other than the document says. With --schemathesis another fuzzer does the same, where
 * Python is there.
 */
const Options = z.object({
  cases: z.coerce.number().int().min(1),
  seed: z.coerce.number().int(),
  schemathesis: z.boolean(),
});

const options = readOptions();
await runCommand(async () => {
  // Of this run alone, and gone with it.
  const directory = tmpdir();
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(directory, 'postgres'), durable: false });
  const target = await startTarget(postgres.url, 'error');
  try {
    process.exitCode = options.schemathesis
      ? await runSchemathesis(target, options.cases, directory)
      : await own(target);
  } finally {
    await target.stop();
  }
});

async function own(target: Target): Promise<number> {
  say(`${options.cases} requests, --seed ${options.seed}`);
  const started = performance.now();
  try {
    const counts = await fuzz(target, options);
    for (const line of linesOf(counts)) say(line);
    say(`No unexpected error, nothing undeclared, in ${((performance.now() - started) / 1_000).toFixed(1)} s`);
    return 0;
  } catch (error) {
    say(messageOf(error));
    return 1;
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '10000' },
      seed: { type: 'string', default: String(randomInt(2 ** 31)) },
      schemathesis: { type: 'boolean', default: false },
    },
  });
  return Options.parse(values);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
