import { PassThrough } from 'node:stream';
import { once } from 'node:events';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { cleanUp, type Course, givenUp, lastCallOf, unlessLeaving } from '../../agent/closing.ts';
import { type Ending, whyUnusable } from '../../agent/ending.ts';
import { startCommand } from '../../agent/process.ts';
import { DiskSilent } from '../../agent/sync/attempt-sync.ts';
import { graceAfter, type Shutdown } from '../../agent/shutdown.ts';

const log = pino({ enabled: false });
const never = new AbortController().signal;
const job = { timeoutSeconds: 1, stallTimeoutSeconds: null };
const config = { shutdownGraceMs: 600_000, uploadGraceMs: 0, killGraceMs: 0, killWaitMs: 0 };

/** An agent that has been told to stop once. */
const told = (hurrying = never): Shutdown => {
  const signaled = AbortSignal.abort('SIGTERM');
  return { stopping: signaled, signaled, hurrying };
};

test('a grace whose attempt is over never comes to its end', async () => {
  const over = new AbortController();
  const grace = graceAfter(told(), 600_000, over.signal);
  await new Promise((resolve) => setImmediate(resolve));
  over.abort();
  await new Promise((resolve) => setImmediate(resolve));
  expect(grace.aborted).toBe(false);
});

test.for([
  ['a signal, 26 s for a command that saves at its own limit, and uploads', told(), never, 26_000],
  [
    'a cut, 36 s for a command that is killed',
    { signaled: never, hurrying: never },
    AbortSignal.abort('CANCELED'),
    36_000,
  ],
] as const)('steps have their time after %s', async ([, shutdown, cut, millis]) => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const patience = { shutdownGraceMs: 0, killGraceMs: 10_000, killWaitMs: 20_000, uploadGraceMs: 10_000 };
  const lastCall = lastCallOf({ shutdown, cut, config: patience }, never);
  await vi.advanceTimersByTimeAsync(millis - 1);
  expect(lastCall.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(lastCall.aborted).toBe(true);
});

test('a second signal ends the wait for a step that hangs', async () => {
  const over = new AbortController();
  onTestFinished(() => over.abort());
  const lastCall = lastCallOf({ shutdown: told(AbortSignal.abort('SIGTERM')), cut: never, config }, over.signal);
  await once(lastCall, 'abort');
  expect(lastCall.aborted).toBe(true);
});

test('a second signal ends what is left to do, and tells it so, although it does not end', async () => {
  const hurrying = new AbortController();
  let given: AbortSignal | undefined;
  const leaving = unlessLeaving(told(hurrying.signal), (signal) => {
    given = signal;
    return new Promise(() => undefined);
  });
  expect(given?.aborted).toBe(false);
  hurrying.abort();
  await leaving;
  expect(given?.aborted).toBe(true);
});

test('what is left to do is told of the end of its time by the first signal alone', async () => {
  await unlessLeaving(told(), (leaving) => once(leaving, 'abort').then(() => undefined));
});

test('what a silent disk has left is told with the ending, and nothing that may wait for it is waited for', async () => {
  let isEnded = false;
  const closing = {
    sync: { purge: () => Promise.reject(new DiskSilent('the disk of /data has not answered for 60 s')) },
    progress: { remove: async () => undefined },
    handOver: {
      end() {
        isEnded = true;
        return new Promise<void>(() => undefined);
      },
    },
    shutdown: { signaled: never, hurrying: never },
    log,
  };
  const ending: Ending = await cleanUp(closing, { kind: 'COMPLETED' });
  expect(ending).toEqual({ kind: 'COMPLETED', silence: 'the disk of /data has not answered for 60 s' });
  expect(isEnded).toBe(true);
  expect(whyUnusable(ending)).toMatch(/could not be removed .*: the disk of \/data/);
  expect(whyUnusable({})).toBeUndefined();
});

async function running(script: string) {
  const stdout = new PassThrough();
  const spec = { command: 'sh', arguments: ['-c', script], environment: { PATH: process.env['PATH'] ?? '' } };
  const places = { workingDirectory: process.cwd(), stdout, stderr: new PassThrough(), killWaitMs: 10_000 };
  const command = await startCommand({ ...spec, ...places });
  onTestFinished(async () => {
    await command.kill();
  });
  await once(stdout, 'data');
  return command;
}

test('an attempt that is given up ends its command, and keeps what was decided of it', async () => {
  const command = await running("trap '' TERM; echo saving; while :; do sleep 0.1; done");
  const course: Course = { command, rule: 'TIMED_OUT' };
  const ending = await givenUp({ claim: { job }, cut: never, shutdown: told(), course, log });
  expect(ending).toEqual({ kind: 'TIMED_OUT', reason: 'The command ran longer than its timeout of 1 s.' });
  expect(course.exit).toMatchObject({ signal: 'SIGKILL' });
});

test('an attempt that is given up keeps the failure of its command, and is given back where there was none', async () => {
  const of = async (script: string, cut = never) => {
    const command = await running(script);
    const course: Course = { command, rule: 'EXITED', exit: await command.exited };
    return givenUp({ claim: { job }, cut, shutdown: told(), course, log });
  };
  expect(await of('echo; exit 4')).toMatchObject({ kind: 'FAILED', exitCode: 4 });
  expect(await of('echo; exit 0')).toMatchObject({ kind: 'RELEASED' });
  expect(await of('echo; exit 4', AbortSignal.abort('CANCELED'))).toEqual({ kind: 'CANCELED' });
  const nothing = { claim: { job }, cut: never, shutdown: told(), course: {}, log };
  expect(await givenUp(nothing)).toMatchObject({ kind: 'RELEASED' });
});
