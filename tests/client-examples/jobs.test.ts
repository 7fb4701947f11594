import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scenarios } from '../support/fleet.ts';
import { startProgram, type TestProgram } from '../support/program.ts';
import { until } from '../support/until.ts';
import { EXAMPLES, expectTranscript } from './transcript.ts';

const TRAIN = join(EXAMPLES, 'jobs/train.py');
const BATCH = join(EXAMPLES, 'jobs/batch.sh');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-jobs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A job in a folder of its own, without any agent. */
async function job(
  place: string,
  file: string,
  args: string[],
  environment: Record<string, string> = {},
): Promise<TestProgram> {
  const workingDirectory = join(folder, place);
  await mkdir(workingDirectory, { recursive: true });
  return startProgram(file, args, {
    workingDirectory,
    environment: { PATH: process.env['PATH'] ?? '', ...environment },
  });
}

const result = (place: string) => readFile(join(folder, place, 'output/result.json'), 'utf8');

/** How far it was depends on the machine. */
const PLACES = [
  [/after epoch \d+/g, 'after epoch <n>'],
  [/epoch \d+ is saved/g, 'epoch <n> is saved'],
  [/\d+ are done/g, '<n> are done'],
] as const;

describe('jobs that checkpoint and resume', () => {
  test('give the same as when they are never interrupted, however they are stopped', async () => {
    const args = [TRAIN, '--seed', '7', '--epochs', '12'];
    const whole = await job('whole', 'python3', args);
    expect((await whole.ended).code, whole.lines.join('\n')).toBe(0);

    const first = await job('stopped', 'python3', [...args, '--pause', '0.2']);
    await first.line((line) => line.startsWith('Starting'));
    first.signal('SIGTERM');
    expect((await first.ended).code).toBe(143);
    const second = await job('stopped', 'python3', [...args, '--save-every', '1', '--pause', '0.2']);
    await second.line((line) => line.startsWith('Resuming after'));
    const checkpoints = () => readdir(join(folder, 'stopped/checkpoints'));
    const before = await checkpoints();
    await until('another checkpoint', async () => (await checkpoints()).join() !== before.join());
    await second.vanish();
    const third = await job('stopped', 'python3', args);
    expect((await third.ended).code).toBe(0);
    expect(await result('stopped')).toBe(await result('whole'));

    const [begun, again] = [await job('batch', 'sh', [BATCH, '6'], { PAUSE: '30' }), 'results/primes-001.txt'];
    await until('the first result', async () => readFile(join(folder, 'batch', again)).catch(() => undefined));
    await begun.vanish();
    const rest = await job('batch', 'sh', [BATCH, '6']);
    expect((await rest.ended).code).toBe(0);
    expect(rest.lines).toEqual(['Of 6 items, 1 are done', '2903 primes counted in 6 items']);
    await expectTranscript(
      'jobs',
      [
        { typed: 'python3 train.py --seed 7 --epochs 12 & sleep 1; kill -TERM $!', lines: first.lines },
        { typed: 'python3 train.py --seed 7 --epochs 12 & sleep 1; kill -KILL $!', lines: second.lines },
        { typed: 'python3 train.py --seed 7 --epochs 12', lines: third.lines },
        { typed: 'sh batch.sh 6 & sleep 1; kill -KILL $!', lines: begun.lines },
        { typed: 'sh batch.sh 6', lines: rest.lines },
      ],
      PLACES,
    );
  });
});

const onFleet = scenarios();

onFleet('a training that is told to stop goes on elsewhere, from the epoch that it saved last', async ({ scene }) => {
  const machine = await scene.agent('machine-1');
  // Only the first attempt takes its time: minutes, of which the test waits for none but the first moment.
  const flags = ['--epochs 500', '--save-every 1000', '--checkpoints checkpoints', '--output output'];
  const training = await scene.submit({
    script: `[ "$KELPIE_ATTEMPT" = 1 ] && pause=0.5; exec python3 ${TRAIN} ${flags.join(' ')} --pause "\${pause:-0}"`,
    ...{ before: ['checkpoints'], during: ['checkpoints'], after: ['output'] },
  });
  await training.until(({ progress }) => progress?.message?.startsWith('epoch') === true);
  machine.signal('SIGTERM');
  const other = await scene.agent('machine-2');
  const { status, attempts } = await training.end();
  expect([status, attempts.nodes.map(({ outcome }) => outcome)]).toEqual(['COMPLETED', ['RELEASED', 'COMPLETED']]);
  // It never came to a checkpoint by itself: what it went on from, it saved when it was told to stop.
  await other.said('Resuming after epoch');
  expect(JSON.parse((await scene.text('output/result.json'))!)).toMatchObject({ epochs: 500 });
});
