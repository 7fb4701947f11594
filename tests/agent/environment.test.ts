import { expect, test } from 'vitest';
import { commandEnvironment } from '../../agent/environment.ts';

const attempt = {
  container: { PATH: '/bin', MODE: 'container', ONLY: 'container' },
  job: { MODE: 'job', KELPIE_JOB_ID: 'forged', INPUT_DIR: '/forged' },
  jobId: 'job-1',
  attempt: 2,
  directories: { input: '/in', checkpoint: '/check', output: '/out' },
  progressFile: '/tmp/progress.json',
  stateFile: '/tmp/state.json',
  traceParent: undefined,
};

test('the job’s environment lies over the container’s, and what Kelpie says over both', () => {
  expect(commandEnvironment(attempt)).toEqual({
    PATH: '/bin',
    MODE: 'job',
    ONLY: 'container',
    INPUT_DIR: '/in',
    CHECKPOINT_DIR: '/check',
    OUTPUT_DIR: '/out',
    KELPIE_JOB_ID: 'job-1',
    KELPIE_ATTEMPT: '2',
    KELPIE_PROGRESS_FILE: '/tmp/progress.json',
    KELPIE_STATE_FILE: '/tmp/state.json',
  });
});

test('a command hears of no file where there is none', () => {
  const environment = commandEnvironment({ ...attempt, progressFile: undefined, stateFile: undefined });
  expect(environment).not.toHaveProperty('KELPIE_PROGRESS_FILE');
  expect(environment).not.toHaveProperty('KELPIE_STATE_FILE');
});

test('a command is told where it is in a trace, unless its job says so itself', () => {
  const traceParent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const container = { TRACEPARENT: 'of the container' };
  expect(commandEnvironment({ ...attempt, container })).toMatchObject(container);
  expect(commandEnvironment({ ...attempt, container, traceParent })).toMatchObject({ TRACEPARENT: traceParent });
  const job = { TRACEPARENT: 'of the job' };
  expect(commandEnvironment({ ...attempt, container, job, traceParent })).toMatchObject(job);
});

test('an environment that is not made of strings is refused by name', () => {
  expect(() => commandEnvironment({ ...attempt, job: { GOOD: 'x', COUNT: 3 } })).toThrow(/COUNT\.$/);
});
