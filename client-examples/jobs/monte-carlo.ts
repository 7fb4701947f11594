import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

/**
 * Estimates π by throwing points into a square, as a job that survives interruptions: after every few steps it saves all that it
 * needs to go on, the state of its random numbers included, and when it starts it looks for what an earlier attempt has saved.
 * So its result is the same to the last digit, however often it was interrupted.
 *
 * node monte-carlo.ts --steps 40 --seed 7 --checkpoints checkpoints --output output
 */
const POINTS_PER_STEP = 100_000;

interface Checkpoint {
  step: number;
  inside: number;
  random: number;
}

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '40' },
    seed: { type: 'string', default: '1' },
    checkpoints: { type: 'string', default: 'checkpoints' },
    output: { type: 'string', default: 'output' },
    'save-every': { type: 'string', default: '2' },
    'pause-ms': { type: 'string', default: '0' },
  },
});
const steps = Number(options.steps);

const start = restore() ?? { step: 0, inside: 0, random: Number(options.seed) };
let { step, inside, random } = start;
process.stdout.write(start.step === 0 ? 'Starting from the beginning\n' : `Resuming after step ${start.step}\n`);

while (step < steps) {
  for (let point = 0; point < POINTS_PER_STEP; point++) {
    const x = nextRandom();
    const y = nextRandom();
    if (x * x + y * y < 1) inside += 1;
  }
  step += 1;
  if (step % Number(options['save-every']) === 0 || step === steps) save({ step, inside, random });
  tell();
  await delay(Number(options['pause-ms']));
}
writeWhole(options.output, 'result.json', { pi: estimate(), steps, resumedAfterStep: start.step });
process.stdout.write(`π ≈ ${estimate()}\n`);

function estimate(): number {
  return (4 * inside) / (step * POINTS_PER_STEP);
}

/** The newest checkpoint, or undefined where there is none. */
function restore(): Checkpoint | undefined {
  mkdirSync(options.checkpoints, { recursive: true });
  const newest = readdirSync(options.checkpoints)
    .filter((name) => /^checkpoint-\d+\.json$/.test(name))
    .sort()
    .at(-1);
  if (newest === undefined) return undefined;
  return JSON.parse(readFileSync(join(options.checkpoints, newest), 'utf8')) as Checkpoint;
}

function save(checkpoint: Checkpoint): void {
  writeWhole(options.checkpoints, `checkpoint-${String(checkpoint.step).padStart(6, '0')}.json`, checkpoint);
}

/** Written beside and renamed: whoever looks sees the whole file or none. */
function writeWhole(directory: string, name: string, content: object): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `.${name}.part`), JSON.stringify(content));
  renameSync(join(directory, `.${name}.part`), join(directory, name));
}

/** The agent watches this file and shows it live. */
function tell(): void {
  const file = process.env.KELPIE_PROGRESS_FILE;
  if (file === undefined) return;
  const progress = { fraction: step / steps, message: `step ${step} of ${steps}`, metrics: { step, pi: estimate() } };
  writeFileSync(`${file}.part`, JSON.stringify(progress));
  renameSync(`${file}.part`, file);
}

/** Mulberry32: its whole state is one number, which a checkpoint can hold. */
function nextRandom(): number {
  random = (random + 0x6d2b79f5) | 0;
  let mixed = Math.imul(random ^ (random >>> 15), 1 | random);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
