import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import {
  type Checkpoint,
  checkpointName,
  checkpointStep,
  decodeCheckpoint,
  digest,
  encodeCheckpoint,
  firstState,
  nextState,
  outputsOf,
} from './computation.ts';
import type { RecordEntry, RecordFact } from './facts.ts';
import type { JobPlan } from './plans.ts';

/**
 * The command that the run's jobs have: computes step by step, saves its state, and goes on from what an earlier attempt has
 * saved. Each thing it does it writes down in a file that nobody carries anywhere.
 */
export interface JobTask {
  plan: JobPlan;
  /** The job's own record, absolute. */
  record: string;
  /** Where `checkpoints` and `output` are, relative to the agent's working directory. */
  folder: string;
}

const FAILS_ON_PURPOSE = 7;
const TOLD_TO_STOP = 143;
const KEEPS_CHECKPOINTS = 2;

// Written by the run itself, so its shape is not checked again.
const { plan, record, folder } = JSON.parse(process.argv[2] ?? '{}') as JobTask;
const { KELPIE_ATTEMPT, KELPIE_PROGRESS_FILE } = z
  .object({ KELPIE_ATTEMPT: z.coerce.number(), KELPIE_PROGRESS_FILE: z.string() })
  .parse(process.env);
const checkpoints = join(folder, 'checkpoints');
const output = join(folder, 'output');

const toldToStop = new AbortController();
if (plan.onTerm !== 'DIES') process.on('SIGTERM', () => toldToStop.abort());

const failuresBefore = failuresSoFar();
const start = restore();
for (let { step, state } = start; ;) {
  if (step === plan.steps) {
    finish(state);
    break;
  }
  await delay(plan.stepMs);
  step += 1;
  state = nextState(state, step);
  note({ kind: 'STEP', step, state });
  if (step === plan.failing?.step && failuresBefore < (plan.failing.times ?? Infinity)) fail(step);
  if (step % plan.checkpointEvery === 0 || step === plan.steps) save({ job: plan.name, step, state });
  writeWhole(KELPIE_PROGRESS_FILE, JSON.stringify({ fraction: step / plan.steps, metrics: { step } }));
  if (toldToStop.signal.aborted && plan.onTerm === 'SAVES') {
    save({ job: plan.name, step, state });
    process.exit(TOLD_TO_STOP);
  }
}

function note(fact: RecordFact): void {
  const entry: RecordEntry = { ...fact, attempt: KELPIE_ATTEMPT, at: Date.now() };
  appendFileSync(record, `${JSON.stringify(entry)}\n`);
}

function failuresSoFar(): number {
  try {
    return readFileSync(record, 'utf8').split('"kind":"FAILURE"').length - 1;
  } catch {
    return 0;
  }
}

function restore(): Checkpoint {
  for (const directory of [checkpoints, output]) mkdirSync(directory, { recursive: true });
  const found = readdirSync(checkpoints)
    .filter((name) => checkpointStep(name) !== undefined)
    .sort()
    .map((name) => ({ name, checkpoint: decodeCheckpoint(readFileSync(join(checkpoints, name))) }));
  const torn = found.filter(({ checkpoint }) => checkpoint?.job !== plan.name).map(({ name }) => name);
  const newest = found.findLast(({ checkpoint }) => checkpoint?.job === plan.name)?.checkpoint;
  note({ kind: 'START', resumedFrom: newest?.step ?? 0, torn });
  return newest ?? { job: plan.name, step: 0, state: firstState(plan.name) };
}

function fail(step: number): never {
  note({ kind: 'FAILURE', step });
  process.stderr.write(`Failing on purpose in step ${step}\n`);
  process.exit(FAILS_ON_PURPOSE);
}

function save(checkpoint: Checkpoint): void {
  writeWhole(join(checkpoints, checkpointName(checkpoint.step)), encodeCheckpoint(checkpoint, plan.checkpointBytes));
  const old = readdirSync(checkpoints)
    .filter((name) => checkpointStep(name) !== undefined)
    .sort()
    .slice(0, -KEEPS_CHECKPOINTS);
  for (const name of old) rmSync(join(checkpoints, name));
}

function finish(state: string): void {
  for (const [name, content] of Object.entries(outputsOf(plan.name, plan.steps, state))) {
    writeWhole(join(output, name), content);
  }
  const files = [checkpoints, output].flatMap((directory) =>
    readdirSync(directory).map((name) => join(directory, name)),
  );
  const left = files.map((path) => [path.slice(folder.length + 1), digest(readFileSync(path))] as const);
  note({ kind: 'DONE', files: Object.fromEntries(left) });
}

/** Written beside, under a name that nothing carries, and renamed. */
function writeWhole(path: string, content: Buffer | string): void {
  const beside = `${path}.part`;
  writeFileSync(beside, content);
  renameSync(beside, path);
}
