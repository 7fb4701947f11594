import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import { numberText } from '../../lib/number-text.ts';
import { wordsOrExit } from '../../lib/program-words.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { Interrupted, interruption } from '../support/command.ts';
import { linesOf, type Report } from './report.ts';
import { runChaos } from './run.ts';

/**
 * node tests/chaos/main.ts --seconds 60 --seed 1 [--agents 6] [--servers 3] [--json] [--keep]
 *
 * The whole of Kelpie as processes, and everything that can go wrong in it. Exit code 0 only if every invariant held; 1 if one did not;
 * 2 if the run itself could not be done; 128 and the signal's number if it was interrupted.
 */
const Options = z.object({
  seconds: numberText({ whole: false, min: 1, max: 86_400 }),
  seed: numberText({ whole: true, min: Number.MIN_SAFE_INTEGER }),
  /** A job may be banned from two machines, and a third must be left. */
  agents: numberText({ whole: true, min: 3, max: 64 }),
  servers: numberText({ whole: true, min: 1, max: 8 }),
  json: z.boolean(),
  keep: z.boolean(),
});

const USAGE = `Usage: npm run chaos -- [--seconds 60] [--seed 1] [--agents 6] [--servers 3] [--json] [--keep]

The whole of Kelpie as processes, and everything that can go wrong in it, for so many seconds; the same seed makes the same plan. With --json
the last line is one JSON object; with --keep the logs stay. The code is 0 only if every invariant held.
`;

const FAULTY = 2;

process.exitCode = await main();
// Whatever a step that was given up still waits for, waits in vain.
process.exit();

async function main(): Promise<number> {
  const options = readOptions();
  const signal = interruption();
  signal.addEventListener('abort', () => say('Stopping and cleaning up …'));
  try {
    return await runIn(await makeTemporaryDirectory('kelpie-chaos-'), options, signal);
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    say(`The run could not be done: ${error instanceof Error ? String(error.stack) : String(error)}`);
    return FAULTY;
  }
}

/** @returns the exit code of a run that came to its end */
async function runIn(directory: string, options: z.output<typeof Options>, signal: AbortSignal): Promise<number> {
  let isEvidence = true;
  try {
    const report = await runChaos({ ...options, directory, signal, say });
    isEvidence = options.keep || !report.held;
    tell(report, options.seed);
    if (options.json) say(JSON.stringify({ seed: options.seed, ...report }));
    return report.held ? 0 : 1;
  } catch (error) {
    if (error instanceof Interrupted) isEvidence = options.keep;
    throw error;
  } finally {
    if (isEvidence) say(`Logs, records and facts.json: ${directory}`);
    else await rm(directory, { recursive: true, force: true }).catch((error: unknown) => say(messageOf(error)));
  }
}

function readOptions(): z.output<typeof Options> {
  return wordsOrExit(USAGE, Options, {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    agents: { type: 'string', default: '6' },
    servers: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  });
}

function tell(report: Report, seed: number): void {
  for (const line of linesOf(report)) say(line);
  say(`${report.held ? 'Every invariant held' : 'NOT every invariant held'} (seed ${seed})`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
