import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { cancelJob, cancelJobs } from '../../../core/jobs/cancel.ts';
import { purgeJobs } from '../../../core/jobs/purge.ts';
import { retryJob } from '../../../core/jobs/retry.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { heartbeat } from '../../../core/leases/renew.ts';
import { rescueExpired } from '../../../core/leases/rescue.ts';
import { createJobTraces } from '../../../core/traces/job-traces.ts';
import type { Core } from '../../../core/core.ts';
import { parseTraceParent, type TraceContext } from '../../../lib/traces/trace-context.ts';
import { type ReceivedSpan, sendingTo, startCollector, tracerFor } from '../../support/collector.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { claim, endings, rowOf, runOut, submit } from '../../support/jobs.ts';

const collector = await startCollector();
const tracer = await tracerFor(sendingTo(collector));
/** Where whoever calls the core is in a trace. */
let caller: TraceContext | undefined;
const traced = await openTestCore({ traces: { tracer, asking: () => caller } });
const { core, database } = traced;
afterAll(async () => {
  await traced.close();
  await tracer.stop(1_000);
  await collector.close();
});
beforeEach(() => {
  caller = undefined;
});

const callers = (isSampled: boolean): TraceContext => ({
  traceId: crypto.randomUUID().replaceAll('-', ''),
  spanId: crypto.randomUUID().replaceAll('-', '').slice(16),
  isSampled,
});

async function traceOf(jobId: string): Promise<string> {
  return String(parseTraceParent((await rowOf(database, jobId))['trace_parent'])?.traceId);
}

const named = (spans: ReceivedSpan[], name: string) => spans.filter((span) => span.name === name);
const only = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const [span, ...others] = named(spans, name);
  if (span === undefined || others.length > 0) throw new Error(`Expected one ${name}, got ${others.length + 1}`);
  return span;
};

describe('a job that is interrupted and then completes', () => {
  test('is one trace, from its submission to its end', async () => {
    const { viewer } = await traced.account();
    caller = callers(true);
    const job = await submit(core, viewer, { environment: { TOKEN: 'secret' }, arguments: ['--key', 'secret'] });
    const first = await claim(core, viewer, 'machine-a');
    await runOut(database, job.id);
    await rescueExpired(core);
    const { lease } = await claim(core, viewer, 'machine-b');
    await finishAttempt(core, viewer, lease, endings.completed);

    const names = ['submit job', 'claim', 'claim', 'attempt', 'attempt', 'job'];
    const spans = await collector.trace(caller.traceId, names);
    expect(spans.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    const [submission, whole] = [only(spans, 'submit job'), only(spans, 'job')];
    expect(submission).toMatchObject({ parent: caller.spanId, kind: 2, fault: undefined });
    expect(whole).toMatchObject({ parent: submission.spanId, fault: undefined });
    expect(whole.attributes).toEqual({
      'kelpie.job.id': job.id,
      'kelpie.account.id': viewer.accountId,
      'kelpie.container_group.id': 'group',
      'kelpie.job.status': 'COMPLETED',
      'kelpie.job.attempts': 2,
      'kelpie.job.failures': 0,
      'kelpie.job.interruptions': 1,
    });
    const [lost, completed] = named(spans, 'attempt');
    const about = (number: number, machine: string) => ({
      'kelpie.attempt.number': number,
      'kelpie.machine.id': machine,
    });
    expect(lost).toMatchObject({
      parent: whole.spanId,
      attributes: { ...about(1, 'machine-a'), 'kelpie.attempt.outcome': 'LOST' },
      fault: expect.stringContaining('No sign of life from machine machine-a') as string,
      events: [{ name: 'interrupted' }],
    });
    expect(completed).toMatchObject({
      parent: whole.spanId,
      attributes: { ...about(2, 'machine-b'), 'kelpie.attempt.outcome': 'COMPLETED' },
      ...{ fault: undefined, events: [] },
    });
    expect(named(spans, 'claim')).toMatchObject([
      { parent: whole.spanId, attributes: about(1, 'machine-a') },
      { parent: whole.spanId, attributes: about(2, 'machine-b') },
    ]);
    expect(whole.from).toBe(job.createdAt.getTime());
    expect(whole.to).toBeGreaterThanOrEqual(completed?.to ?? Infinity);
    expect(core.traces.attemptParent(first)).toBe(`00-${caller.traceId}-${lost?.spanId}-01`);
    expect(JSON.stringify(spans)).not.toContain('secret');
  });
});

describe('a submission', () => {
  test('begins a trace where nobody has', async () => {
    const { viewer } = await traced.account();
    const { id } = await submit(core, viewer);
    const [span] = await collector.trace(await traceOf(id), ['submit job']);
    expect(span?.parent).toBeUndefined();
  });

  test('of many begins one for each, which names the caller’s', async () => {
    const { viewer } = await traced.account();
    caller = callers(true);
    const jobs = await submitJobs(core, viewer, [spec(), spec(), spec()]);
    const traces = await Promise.all(jobs.map(({ id }) => traceOf(id)));
    expect(new Set([...traces, caller.traceId]).size).toBe(4);
    for (const trace of traces) {
      const [span] = await collector.trace(trace, ['submit job']);
      expect(span).toMatchObject({ parent: undefined, links: [`${caller.traceId}-${caller.spanId}`] });
    }
  });

  test('that is a repetition is told of once, and stays in the first one’s trace', async () => {
    const { viewer } = await traced.account();
    const { id } = await submit(core, viewer, { idempotencyKey: 'again' });
    const first = await traceOf(id);
    caller = callers(true);
    expect(await submit(core, viewer, { idempotencyKey: 'again' })).toMatchObject({ id });
    expect(await traceOf(id)).toBe(first);
    await cancelJob(core, viewer, id);
    expect(await collector.trace(first, ['job'])).toHaveLength(2);
    expect(collector.spans.some(({ traceId }) => traceId === caller?.traceId)).toBe(false);
  });

  test('of a caller whose trace is not written is not written either, but handed on', async () => {
    const { viewer } = await traced.account();
    caller = callers(false);
    const { id } = await submit(core, viewer);
    const claimed = await claim(core, viewer);
    await finishAttempt(core, viewer, claimed.lease, endings.completed);
    expect(core.traces.attemptParent(claimed)).toMatch(new RegExp(`^00-${caller.traceId}-[0-9a-f]{16}-00$`));
    const other = await submit(core, viewer);
    caller = undefined;
    const { id: later } = await submit(core, viewer);
    await collector.trace(await traceOf(later), ['submit job']);
    const ids = [id, other.id];
    expect(collector.spans.filter((span) => ids.includes(String(span.attributes['kelpie.job.id'])))).toEqual([]);
  });

  test('that fails is not told of', async () => {
    const { viewer } = await traced.account();
    await submit(core, viewer, { idempotencyKey: 'one' });
    caller = callers(true);
    const known = spec({ idempotencyKey: 'one', command: 'other' });
    await expect(submitJobs(core, viewer, [spec(), known])).rejects.toThrow('another body');
    // Told after it.
    const { id } = await submit(core, viewer);
    await collector.trace(await traceOf(id), ['submit job']);
    expect(
      collector.spans.filter(({ links }) => links.length > 0 && links[0]?.includes(caller?.traceId ?? '')),
    ).toEqual([]);
  });

  test('of another account under the same context gets places of its own', async () => {
    const [one, other] = [await traced.account(), await traced.account()];
    caller = callers(true);
    const jobs = [await submit(core, one.viewer), await submit(core, other.viewer)];
    for (const { viewer } of [one, other]) {
      await finishAttempt(core, viewer, (await claim(core, viewer)).lease, endings.completed);
    }
    const spans = await collector.trace(caller.traceId, ['job', 'job', 'attempt', 'attempt']);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
    const [first] = jobs;
    const ofFirst = new Set(
      spans.filter((span) => span.attributes['kelpie.job.id'] === first?.id).map((span) => span.spanId),
    );
    for (const span of spans) {
      if (span.attributes['kelpie.job.id'] !== first?.id) expect(ofFirst).not.toContain(span.parent);
    }
  });
});

describe('an attempt', () => {
  test('that fails says how, and nothing of what its command wrote', async () => {
    const { viewer } = await traced.account();
    const { id } = await submit(core, viewer, { maxFailures: 1 });
    const reason = 'The command exited with code 7. Last lines of stderr:\npassword=hunter2';
    await finishAttempt(core, viewer, (await claim(core, viewer)).lease, { outcome: 'FAILED', reason, exitCode: 7 });
    const spans = await collector.trace(await traceOf(id), ['attempt', 'job']);
    expect(only(spans, 'attempt')).toMatchObject({
      fault: 'The command exited with code 7',
      attributes: { 'kelpie.attempt.outcome': 'FAILED', 'process.exit.code': 7 },
    });
    expect(only(spans, 'job')).toMatchObject({ fault: 'The job has failed' });
    expect(JSON.stringify(spans)).not.toContain('hunter2');
  });

  test('that comes back after it was taken for lost is told once more, beside that', async () => {
    const { viewer } = await traced.account();
    const { id } = await submit(core, viewer);
    const { lease } = await claim(core, viewer);
    await runOut(database, id);
    await rescueExpired(core);
    await heartbeat(core, viewer, lease);
    await finishAttempt(core, viewer, lease, endings.completed);
    const spans = await collector.trace(await traceOf(id), ['attempt', 'attempt', 'job']);
    const [lost, resumed] = named(spans, 'attempt').toSorted((a, b) => a.to - b.to);
    expect(lost?.attributes).toMatchObject({ 'kelpie.attempt.outcome': 'LOST' });
    expect(resumed?.attributes).toMatchObject({
      'kelpie.attempt.outcome': 'COMPLETED',
      'kelpie.attempt.resumed': true,
    });
    expect(resumed?.spanId).not.toBe(lost?.spanId);
  });

  test('of a job that is canceled ends with it, one by one and by the dozen', async () => {
    const { viewer } = await traced.account();
    const jobs = await submitJobs(core, viewer, [spec(), spec(), spec(), spec()]);
    for (let n = 1; n < jobs.length; n += 1) await claim(core, viewer);
    await cancelJob(core, viewer, jobs[1]?.id ?? '');
    await cancelJobs(core, viewer, { ids: [jobs[2]?.id ?? '', jobs[3]?.id ?? ''] });
    await purgeJobs(core, viewer, 'group');
    for (const { id } of jobs.slice(0, 3)) {
      const spans = await collector.trace(await traceOf(id), ['attempt', 'job']);
      const whole = only(spans, 'job');
      expect(whole).toMatchObject({ attributes: { 'kelpie.job.status': 'CANCELED' }, fault: undefined });
      expect(only(spans, 'attempt')).toMatchObject({
        parent: whole.spanId,
        attributes: { 'kelpie.attempt.outcome': 'CANCELED' },
        fault: undefined,
      });
    }
    const pending = await collector.trace(await traceOf(jobs[3]?.id ?? ''), ['job']);
    expect(named(pending, 'attempt')).toEqual([]);
  });
});

test('a job that is retried goes on in its trace, in a part of its own', async () => {
  const { viewer } = await traced.account();
  const { id } = await submit(core, viewer, { maxFailures: 1 });
  const trace = await traceOf(id);
  await finishAttempt(core, viewer, (await claim(core, viewer, 'one')).lease, endings.failed);
  await retryJob(core, viewer, id);
  expect(await traceOf(id)).toBe(trace);
  await finishAttempt(core, viewer, (await claim(core, viewer, 'two')).lease, endings.completed);

  const spans = await collector.trace(trace, ['attempt', 'attempt', 'job', 'job', 'retry job']);
  const [failed, completed] = named(spans, 'job');
  expect(failed).toMatchObject({ parent: only(spans, 'submit job').spanId, fault: 'The job has failed' });
  expect(completed).toMatchObject({ parent: only(spans, 'retry job').spanId, fault: undefined });
  expect(completed?.from).toBeGreaterThanOrEqual(failed?.to ?? Infinity);
  expect(named(spans, 'attempt').map(({ parent }) => parent)).toEqual([failed?.spanId, completed?.spanId]);
});

describe('where nobody writes traces', () => {
  test('what a submission came from is handed on as it is, and nothing else is kept', async () => {
    const untraced = await openTestCore({ traces: { tracer: undefined, asking: () => caller } });
    try {
      const { viewer } = await untraced.account();
      await submit(untraced.core, viewer);
      expect(untraced.core.traces.attemptParent(await claim(untraced.core, viewer))).toBeNull();
      caller = callers(true);
      const job = await submit(untraced.core, viewer);
      expect(job.traceParent).toBe(`00-${caller.traceId}-${caller.spanId}-01`);
      const claimed = await claim(untraced.core, viewer);
      expect(untraced.core.traces.attemptParent(claimed)).toBe(job.traceParent);
      await finishAttempt(untraced.core, viewer, claimed.lease, endings.failed);
      await cancelJob(untraced.core, viewer, job.id);
      await retryJob(untraced.core, viewer, job.id);
      expect(await rowOf(untraced.database, job.id)).toMatchObject({ trace_parent: job.traceParent });
      expect(await rowOf(untraced.database, job.id)).toMatchObject({ retried_at: expect.any(Date) as Date });
      caller = undefined;
      const plain = await submit(untraced.core, viewer);
      await cancelJob(untraced.core, viewer, plain.id);
      await retryJob(untraced.core, viewer, plain.id);
      expect(await rowOf(untraced.database, plain.id)).toMatchObject({ status: 'PENDING', retried_at: null });
      caller = callers(true);
      // As where they are written: of many, none stands where its caller does.
      const many = await submitJobs(untraced.core, viewer, [spec(), spec()]);
      expect(many.map(({ traceParent }) => traceParent)).toEqual([null, null]);
    } finally {
      await untraced.close();
    }
  });
});

test('traces that fail whatever they are told change nothing of a job, and are told of', async () => {
  const fails = () => {
    throw new Error('the library is at a loss');
  };
  const broken = await openTestCore();
  try {
    const { viewer } = await broken.account();
    const troubles: string[] = [];
    const own: Core = {
      ...broken.core,
      traces: createJobTraces({ tracer: { begin: fails, stop: fails }, asking: fails }, ({ message }) =>
        troubles.push(message),
      ),
    };
    expect((await submit(own, viewer)).traceParent).toBeNull();
    // These are in a trace, so that there would be something to tell of them.
    const [first, second] = await submitJobs(own, viewer, [spec({ maxFailures: 1 }), spec()]);
    await broken.database.query('update jobs set trace_parent = $1', [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`]);
    await cancelJob(own, viewer, (await claim(own, viewer)).id);
    await finishAttempt(own, viewer, (await claim(own, viewer)).lease, endings.failed);
    expect(await retryJob(own, viewer, first?.id ?? '')).toMatchObject({ status: 'PENDING' });
    await cancelJob(own, viewer, first?.id ?? '');
    await claim(own, viewer);
    await runOut(broken.database, second?.id ?? '');
    expect(await rescueExpired(own)).toEqual({ expired: 1 });
    expect(await rowOf(broken.database, second?.id ?? '')).toMatchObject({ status: 'PENDING', num_interruptions: 1 });
    expect(troubles).toEqual(['Traces are incomplete: the library is at a loss']);
  } finally {
    await broken.close();
  }
});
