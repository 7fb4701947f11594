import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished, test } from 'vitest';
import { startFleet } from '../../support/fleet.ts';
import { expectTranscript } from '../transcript.ts';
import { start, type Ran } from './support.ts';

test('the command line does what its transcript says, with a server and an agent', async () => {
  // A fleet of its own, as all of its jobs are listed.
  const fleet = await startFleet();
  onTestFinished(() => fleet.stop());
  const local = await fleet.scene('local');
  onTestFinished(() => local.clear());
  const { steps, cli, begin } = shell(fleet.app.url, fleet.ownerKey);

  const [hello = ''] = await cli('submit', '--group', 'local', '--name', 'hello', '--', 'echo', 'hello');
  await cli('list');
  const watching = begin('watch', hello, '--until-done');
  const failing = begin('submit', '--group', 'local', '--max-failures', '1', '--watch', '--', 'sh', '-c', 'exit 3');
  // The agent comes when both wait: what they tell begins before it does.
  await Promise.all([watching.until('PENDING'), failing.until('PENDING')]);
  await local.agent('machine-1');
  await watching.ended();
  await failing.ended();
  await cli('get', hello);
  await cli('logs', hello);
  await cli('list', '--status', 'completed', '--json');
  await cli('agents');

  const csv = join(local.folder, 'sweep.csv');
  await writeFile(csv, 'seed\n1\n2\n');
  const sweep = ['--csv', csv, '--group', 'elsewhere', '--name', 'seed {{seed}}', '--label', 'sweep=7'];
  const [first = ''] = await cli('submit', ...sweep, '--', 'python', 'train.py', '--seed', '{{seed}}');
  await cli('cancel', '--label', 'sweep=7');
  await cli('retry', first);
  await cli('list', '--label', 'sweep=7');

  await cli('rules', 'set', 'local', '--max', '4');
  await cli('rules');
  const [note = ''] = await cli('keys', 'create', '--role', 'viewer', '--name', 'wall');
  await cli('keys');
  await cli('keys', 'revoke', UUID.exec(note)?.[0] ?? '');
  await cli('get', '00000000-0000-4000-8000-000000000001');
  await expectTranscript('cli', steps, VOLATILE);
});

interface Step {
  typed: string;
  lines: string[];
}

/** Runs the program as somebody types it, and keeps what a terminal shows of it, in the order in which it was begun. */
function shell(url: string, key: string) {
  const setting = { environment: { KELPIE_API_URL: url, KELPIE_API_KEY: key } };
  const steps: Step[] = [];
  const begin = (...words: string[]) => {
    const step: Step = { typed: ['kelpie-cli', ...words.map(quoted)].join(' '), lines: [] };
    steps.push(step);
    const running = start(words, setting);
    return {
      until: async (text: string) => running.until(text),
      async ended(): Promise<string[]> {
        const lines = linesOf(await running.ended);
        // What watches writes no table.
        const isTable = !words.some((word) => word.endsWith('watch'));
        step.lines = isTable ? lines.map(inColumns) : lines;
        return lines;
      },
    };
  };
  return { steps, begin, cli: async (...words: string[]) => begin(...words).ended() };
}

/** Which of its phases an agent tells of, and which of them are seen, depends on how fast it passes them. */
const PHASE = /(?<=RUNNING {2}attempt \d on \S+) {2}(downloading|running|uploading)$/;

function linesOf({ exit, shown }: Ran): string[] {
  const lines = shown
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(PHASE, ''))
    .filter((line, at, all) => line !== all[at - 1]);
  return exit === 0 ? lines : [...lines, `[exit code ${exit}]`];
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}

const UUID = /[0-9a-f]{8}-[0-9a-f-]{27}/;
const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/;

/** What differs from run to run, and has another cell behind it, is masked as wide as it is: columns stay columns. */
function inColumns(line: string): string {
  return [[UUID, '<id>'] as const, [TIME, '<time>'] as const].reduce(
    (masking, [what, mask]) =>
      masking.replace(new RegExp(`${what.source}(?= {2})`), (found) => mask.padEnd(found.length)),
    line,
  );
}

const VOLATILE = [
  [/kelpie_[\w-]+/g, '<secret>'],
  [/\/\S+\/sweep/g, 'sweep'],
  [/\d+ s ago .*/g, '<age> ago  <hardware>'],
  [/cpus +memory +gpus +job/g, 'cpus  memory  gpus  job'],
  // Of the list, and of the time in attempts.
  [/\b\d{1,2} s {2,}/g, '<age>  '],
  [/\b\d{1,2} s$/gm, '<age>'],
] as const;
