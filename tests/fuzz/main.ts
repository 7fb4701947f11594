import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { startEmbeddedPostgres } from '../../db/embedded.ts';
import { messageOf } from '../../lib/errors.ts';
import { numberText } from '../../lib/number-text.ts';
import { wordsOrExit } from '../../lib/program-words.ts';
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
  cases: numberText({ whole: true, min: 1 }),
  seed: numberText({ whole: true, min: Number.MIN_SAFE_INTEGER }),
  schemathesis: z.boolean(),
});

const USAGE = `Usage: npm run fuzz:rest -- [--cases 10000] [--seed N] [--schemathesis]

So many requests that are made from the OpenAPI document, against a real server; the same seed makes the same ones. With --schemathesis
another fuzzer makes them, where Python is there. The code is 0 only if no answer was unexpected.
`;

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
  return wordsOrExit(USAGE, Options, {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    schemathesis: { type: 'boolean', default: false },
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
