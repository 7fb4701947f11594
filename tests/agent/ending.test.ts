import { pino } from 'pino';
import { expect, test } from 'vitest';
import { endingOf, endingOfExit, settle } from '../../agent/ending.ts';
import type { Claim, Link, ReportAnswer } from '../../agent/link.ts';

const lease = { jobId: 'job-1', attempt: 1 };
const totals = { bytesDownloaded: '1', bytesUploaded: '2' };

/** A link that answers reports one after another as `answers` says, the last one for ever. */
function linkAnswering(...answers: (ReportAnswer | Error)[]) {
  const reports: [string, unknown][] = [];
  const answering = (verb: string) => async (input: unknown) => {
    const answer = answers[Math.min(reports.length, answers.length - 1)];
    reports.push([verb, input]);
    if (answer instanceof Error || answer === undefined) throw answer ?? new Error('no answer was prepared');
    return answer;
  };
  const unasked = () => Promise.reject(new Error('not expected'));
  const link: Link = {
    claim: unasked,
    heartbeat: unasked,
    appendLogs: unasked,
    close: unasked,
    complete: answering('complete'),
    fail: answering('fail'),
    release: answering('release'),
  };
  return { link, reports };
}

function settlement(link: Link, signals: { cut?: AbortSignal; hurrying?: AbortSignal } = {}) {
  const never = new AbortController().signal;
  return { link, lease, totals, cut: never, hurrying: never, ...signals, log: pino({ enabled: false }) };
}

test('a command that succeeded has not ended its attempt yet', () => {
  expect(endingOfExit({ exitCode: 0, signal: null, deaths: [], stderrTail: ['a warning'] })).toBeUndefined();
});

test('a failure says the exit code and what stderr said last', () => {
  expect(endingOfExit({ exitCode: 3, signal: null, deaths: [], stderrTail: ['Traceback', 'ValueError: x'] })).toEqual({
    kind: 'FAILED',
    exitCode: 3,
    reason: 'The command exited with code 3. Last lines of stderr:\nTraceback\nValueError: x',
  });
});

const survived = { exitCode: null, signal: null, deaths: [], stderrTail: [], survivor: 'process 7 (python3, state D)' };
const shutdown = { stopping: AbortSignal.abort('SIGTERM'), signaled: never(), hurrying: never() };
const job = { timeoutSeconds: 5, stallTimeoutSeconds: 6 } as Claim['job'];

function never(): AbortSignal {
  return new AbortController().signal;
}

test.each([
  ['TIMED_OUT', survived, 'TIMED_OUT', 'ran longer than its timeout of 5 s'],
  ['STALLED', survived, 'TIMED_OUT', 'no published file for 6 s'],
  ['STOPPING', survived, 'RELEASED', 'told to stop (SIGTERM)'],
  ['EXITED', { ...survived, exitCode: 3 }, 'FAILED', 'exited with code 3'],
  // Not completed, as what it has left may still be written.
  ['EXITED', { ...survived, exitCode: 0 }, 'SYNC_FAILED', 'The command succeeded, but'],
] as const)(
  'an attempt whose command survives its end (%s) ends for its own reason and says so',
  (rule, exit, kind, why) => {
    const ending = endingOf({ rule, exit }, job, shutdown);
    expect(ending).toMatchObject({ kind, survivor: 'process 7 (python3, state D)' });
    const reason = ending !== undefined && 'reason' in ending ? ending.reason : '';
    expect(reason).toContain(why);
    expect(reason).toMatch(/rocess 7 \(python3, state D\) runs on although it was killed.*was not uploaded/);
  },
);

test.each(['CANCELED', 'LEASE_LOST'] as const)(
  'what survives is remembered when there is nothing to report: %s',
  (rule) => {
    expect(endingOf({ rule, exit: survived }, job, shutdown)).toEqual({ kind: rule, survivor: survived.survivor });
  },
);

test('a death by signal names the signal', () => {
  const ending = endingOfExit({ exitCode: null, signal: 'SIGKILL', deaths: [], stderrTail: [] });
  expect(ending).toMatchObject({ kind: 'FAILED', signal: 'SIGKILL' });
  expect(ending).toHaveProperty('reason', expect.stringMatching(/SIGKILL.*memory.*nothing to stderr/));
  expect(ending).not.toHaveProperty('exitCode');
});

test('a reason is bounded to what the server stores, and keeps the end of what was said', async () => {
  const { link, reports } = linkAnswering({ kind: 'ACCEPTED' });
  await settle({ kind: 'FAILED', reason: `The command failed.\0${'🐕'.repeat(20_000)} the end` }, settlement(link));
  const { reason } = reports[0]![1] as { reason: string };
  expect(reason.length).toBeLessThanOrEqual(8000);
  expect(reason).toMatch(/^The command failed\.🐕[^\0]* the end$/u);
});

test('each ending is reported by its own verb', async () => {
  const { link, reports } = linkAnswering({ kind: 'ACCEPTED' });
  await settle({ kind: 'COMPLETED' }, settlement(link));
  await settle({ kind: 'TIMED_OUT', reason: 'too long' }, settlement(link));
  await settle({ kind: 'RELEASED', reason: 'told to stop' }, settlement(link));
  expect(reports).toEqual([
    ['complete', { ...lease, ...totals }],
    ['fail', { ...lease, ...totals, outcome: 'TIMED_OUT', reason: 'too long' }],
    ['release', { ...lease, ...totals, reason: 'told to stop' }],
  ]);
});

test('nothing is reported of a job that was taken away', async () => {
  const { link, reports } = linkAnswering({ kind: 'ACCEPTED' });
  await settle({ kind: 'CANCELED' }, settlement(link));
  await settle({ kind: 'LEASE_LOST' }, settlement(link));
  expect(reports).toEqual([]);
});

test('a report is repeated until the server answers, and a no is an answer', async () => {
  const { link, reports } = linkAnswering(new Error('down'), new Error('down'), {
    kind: 'LEASE_LOST',
    message: 'ended',
  });
  await settle({ kind: 'COMPLETED' }, settlement(link));
  expect(reports).toHaveLength(3);
});

test('the repetition ends when the job is taken away', async () => {
  const { link } = linkAnswering(new Error('down'));
  const cut = new AbortController();
  const settled = settle({ kind: 'COMPLETED' }, settlement(link, { cut: cut.signal }));
  cut.abort('LEASE_LOST');
  await settled;
});

test('the repetition ends soon after a second signal', async () => {
  const { link, reports } = linkAnswering(new Error('down'));
  await settle({ kind: 'RELEASED', reason: 'told to stop' }, settlement(link, { hurrying: AbortSignal.abort() }));
  expect(reports.length).toBeGreaterThan(1);
});
