import { rm } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { watchJobs } from './demo-live.ts';
import { referenceOf, resultOf, submitByGraphql, submitByRest, type DemoJob } from './demo-jobs.ts';
import { startStack, type Stack } from './stack.ts';

/**
 * The main job, shown: two real jobs, an agent killed in the middle of one of them, another agent that goes on from the checkpoint
 * in the bucket, and results that equal those of an uninterrupted run. Exit code 0 only if all of that held.
 */
const LIMIT_MS = 60_000;
/** Of the limit, kept for ending everything. */
const CLEAN_UP_MS = 5_000;
const INTERRUPTED = 130;

const began = performance.now();
const directory = await makeTemporaryDirectory('kelpie-demo-');
const stopping = new AbortController();
let exitCode = 0;
let starting: Promise<Stack> | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    say('\nStopping and cleaning up …');
    exitCode = INTERRUPTED;
    stopping.abort(new Error(`it was interrupted by ${signal}`));
  });
}
const limit = setTimeout(() => {
  stopping.abort(new Error(`it did not end within ${LIMIT_MS / 1_000} s`));
}, LIMIT_MS - CLEAN_UP_MS);

try {
  await Promise.race([show(), aborted(stopping.signal)]);
} catch (error) {
  say(`\nThe demo failed: ${messageOf(error)}`);
  exitCode ||= 1;
} finally {
  clearTimeout(limit);
  await cleanUp();
}
// Whatever a step that was given up still waits for, waits in vain.
process.exit(exitCode);

async function show(): Promise<void> {
  say('Kelpie: a job runs to completion although its machine vanishes\n');
  starting = startStack({
    directory,
    agents: 2,
    ports: { server: 4000, s3: 9000 },
    signal: stopping.signal,
    onStage: (name, ms) => say(`  ${name.padEnd(24)} ${seconds(ms)}`),
  });
  const stack = await starting;

  const long = await submitByRest(stack, { name: 'long', steps: 40, seed: 7, pauseMs: 200 });
  const short = await submitByGraphql(stack, { name: 'short', steps: 12, seed: 11, pauseMs: 150 });
  say(`\nSubmitted "long" over REST (${long.id})\n      and "short" over GraphQL (${short.id})\n`);

  const story = await watchJobs(stack, [long, short], { victim: long, killAt: 0.5, say });
  say('');
  const resumed = await verify(stack, long);
  await verify(stack, short);
  if (story.attempts < 2) throw new Error('Expected the long job to need a second attempt, it did not');
  if (resumed === 0)
    throw new Error('Expected the second attempt to resume from a checkpoint, it started from the beginning');

  // Of the last steps before the end the checkpoint may be in the bucket, and the progress not have been told.
  const lost = Math.max(0, story.stepAtKill - resumed);
  say(`
  killed → noticed by the server      ${seconds(story.noticedMs)}   (a heartbeat is due every ${story.heartbeatInterval} s)
  noticed → running again             ${seconds(story.resumedMs)}
  work done twice                     ${lost} of 40 steps: the second machine went on after step ${resumed}
  everything, start to end            ${seconds(performance.now() - began)}

Look next: npm run dev        the same parts, left running, with URL and key
then, in a browser:      the URL is the dashboard, URL/graphql GraphiQL with examples, URL/docs the REST layer`);
}

/** @returns the step after which the last attempt went on */
async function verify(stack: Stack, job: DemoJob): Promise<number> {
  const [got, expected] = await Promise.all([resultOf(stack, job), referenceOf(job, directory)]);
  if (got.pi !== expected.pi) {
    throw new Error(`"${job.name}" should give ${expected.pi} as an uninterrupted run does, it gave ${got.pi}`);
  }
  say(`  "${job.name}": π ≈ ${got.pi}, equal to an uninterrupted run's`);
  return got.resumedAfterStep;
}

/** A start that is under way ends what it has begun by itself, and is waited for. */
async function cleanUp(): Promise<void> {
  await starting?.then(
    (stack) => stack.stop(),
    () => undefined,
  );
  await rm(directory, { recursive: true, force: true });
}

async function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1).padStart(5)} s`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
