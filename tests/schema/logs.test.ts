import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestApp } from '../support/app.ts';
import { ask, claimed, mutate, refusal, registered, submitted } from '../support/graphql.ts';

const app = await startTestApp();
afterAll(() => app.close());

async function working() {
  const { secret: key } = await app.account();
  await submitted(app, key);
  const agentId = await registered(app, key);
  return { key, agentId, lease: await claimed(app, key, agentId) };
}

const LOGS = `query ($id: ID!, $tail: Int, $attempt: Int) {
  job(id: $id) { logs(tail: $tail, attempt: $attempt) { attempt offset at stream text } } }`;

const line = (text: string, stream = 'STDOUT', afterMillis = 5) => ({ stream, afterMillis, text });
const append = (key: string, lease: object, offset: number, ...texts: string[]) =>
  mutate(app, key, 'appendLogs', { ...lease, offset, lines: texts.map((text) => line(text)) });
const texts = (answer: unknown) =>
  z
    .object({ logs: z.array(z.object({ text: z.string() })) })
    .parse(answer)
    .logs.map(({ text }) => text);

describe('appendLogs and Job.logs', () => {
  test('what was appended is read, with stream, number and time', async () => {
    const { key, lease } = await working();
    const lines = [line('one', 'STDOUT', 0), line('two', 'STDERR', 1_000.4), line('three', 'KELPIE', 2_000)];
    const stored = await mutate(app, key, 'appendLogs', { ...lease, offset: 0, lines });
    expect(stored).toEqual({ __typename: 'AppendedLogs', nextOffset: 3 });
    const { logs } = (await ask(app, key, LOGS, { id: lease.jobId })) as unknown as { logs: { at: string }[] };
    expect(logs).toEqual(
      lines.map(({ stream, text }, offset) => ({ attempt: 1, offset, stream, text, at: expect.any(String) as string })),
    );
    expect(Date.parse(logs[1]!.at) - Date.parse(logs[0]!.at)).toBe(1_000);
  });

  test('the last lines of the newest attempt, or of another one', async () => {
    const { key, lease } = await working();
    await append(key, lease, 0, 'a', 'b', 'c');
    await mutate(app, key, 'releaseAttempt', lease);
    const second = await claimed(app, key, await registered(app, key, 'another'));
    await append(key, second, 0, 'd');
    const read = async (args: object) => texts(await ask(app, key, LOGS, { id: lease.jobId, ...args }));
    expect(await read({})).toEqual(['d']);
    expect(await read({ attempt: 1, tail: 2 })).toEqual(['b', 'c']);
    expect(await read({ attempt: 3 })).toEqual([]);
  });

  test('without a number of lines, the last hundred', async () => {
    const { key, lease } = await working();
    await append(key, lease, 0, ...Array.from({ length: 150 }, (_, index) => String(index)));
    const read = texts(await ask(app, key, LOGS, { id: lease.jobId }));
    expect([read.length, read[0], read.at(-1)]).toEqual([100, '50', '149']);
  });

  test.each([
    ['offset', { offset: -1 }],
    ['offset', { offset: 2_147_483_647 }],
    ['attempt', { attempt: 0 }],
    ['lines', { lines: Array.from({ length: 4_097 }, () => line('x')) }],
    ['lines', { lines: Array.from({ length: 17 }, () => line('x'.repeat(8_000))) }],
    ['lines.0.text', { lines: [line('x'.repeat(8_401))] }],
    ['lines.0.text', { lines: [line('a\0b')] }],
    ['lines.0.text', { lines: [line('\ud800')] }],
    ['lines.0.afterMillis', { lines: [line('x', 'STDOUT', -1)] }],
  ])('with a bad %s is InvalidInput', async (place, part) => {
    const { key, lease } = await working();
    const input = { ...lease, offset: 0, lines: [line('x')], ...part };
    const refused = await mutate(app, key, 'appendLogs', input);
    expect(refused).toMatchObject({ __typename: 'InvalidInput', issues: [{ path: place.split('.') }] });
  });

  test.each([{ tail: -1 }, { tail: 10_001 }, { attempt: 0 }])('%j is refused', async (args) => {
    const { key, lease } = await working();
    const { extensions } = await refusal(app, key, LOGS, { id: lease.jobId, ...args });
    expect(extensions).toMatchObject({ code: 'INVALID_INPUT' });
  });

  // It writes 18 MiB of logs, line by line.
  test('a list of jobs gives so much of their logs, and no more', { timeout: 120_000 }, async () => {
    const { secret: key } = await app.account();
    const agentId = await registered(app, key);
    const block = Array.from({ length: 16 }, () => 'x'.repeat(8_000));
    for (let jobs = 0; jobs < 18; jobs += 1) {
      await submitted(app, key);
      const lease = await claimed(app, key, agentId);
      for (let offset = 0; offset < 128; offset += 16) await append(key, lease, offset, ...block);
    }
    const all = `query ($first: Int!, $tail: Int!) { jobs(first: $first) { nodes { logs(tail: $tail) { text } } } }`;
    const { message } = await refusal(app, key, all, { first: 20, tail: 10_000 });
    expect(message).toContain('ask for fewer jobs, or a smaller tail');
    const { nodes } = (await ask(app, key, all, { first: 20, tail: 1 })) as unknown as { nodes: unknown[] };
    expect(nodes.map((node) => texts(node).length)).toEqual(Array.from({ length: 18 }, () => 1));
  });

  test('is for who holds the lease, and for who may read', async () => {
    const { key, lease } = await working();
    const { secret: stranger } = await app.account();
    expect(await append(stranger, lease, 0, 'x')).toMatchObject({ __typename: 'LeaseLost' });
    expect(await ask(app, stranger, LOGS, { id: lease.jobId })).toBeNull();
    const { secret: agent } = await app.account('AGENT');
    expect((await refusal(app, agent, LOGS, { id: lease.jobId })).extensions).toEqual({ code: 'FORBIDDEN' });
    await mutate(app, key, 'cancelJob', lease.jobId);
    expect(await append(key, lease, 0, 'x')).toMatchObject({ __typename: 'LeaseLost', code: 'LEASE_LOST' });
  });
});

describe('jobLogs', () => {
  const FOLLOW = `subscription ($jobId: ID!, $attempt: Int, $fromOffset: Int) {
    jobLogs(jobId: $jobId, attempt: $attempt, fromOffset: $fromOffset) {
      attempt offset nextOffset lines { offset stream text } } }`;
  const chunk = z.object({
    jobLogs: z.object({
      attempt: z.int(),
      offset: z.int(),
      nextOffset: z.int(),
      lines: z.array(z.object({ offset: z.int(), stream: z.string(), text: z.string() })).min(1),
    }),
  });

  function follow(key: string, variables: Record<string, unknown>) {
    const results = app.socket(key).iterate({ query: FOLLOW, variables });
    const seen: string[] = [];
    const next = async () => {
      const step = await results.next();
      if (step.done === true) return undefined;
      const { value } = step;
      if (value.errors !== undefined) throw new Error(value.errors.map(({ message }) => message).join());
      const { lines, ...rest } = chunk.parse(value.data).jobLogs;
      seen.push(...lines.map(({ stream, text }) => (stream === 'KELPIE' ? `[kelpie] ${text}` : text)));
      return rest;
    };
    return {
      seen,
      next,
      end: async () => {
        while ((await next()) !== undefined);
      },
    };
  }

  test('follows a job over its attempts, and ends with it', async () => {
    const { key, lease } = await working();
    const log = follow(key, { jobId: lease.jobId });
    await append(key, lease, 0, 'a', 'b');
    expect(await log.next()).toEqual({ attempt: 1, offset: 0, nextOffset: 2 });
    await append(key, lease, 2, 'c');
    expect(await log.next()).toEqual({ attempt: 1, offset: 2, nextOffset: 3 });
    await mutate(app, key, 'failAttempt', { ...lease, outcome: 'FAILED', reason: 'It exited', exitCode: 7 });
    expect(await log.next()).toEqual({ attempt: 1, offset: 3, nextOffset: 3 });
    const second = await claimed(app, key, await registered(app, key, 'another'));
    await append(key, second, 0, 'd');
    await mutate(app, key, 'completeAttempt', second);
    await log.end();
    expect(log.seen).toEqual([
      ...['a', 'b', 'c', '[kelpie] Attempt 1 on machine machine ended: FAILED (exit code 7)'],
      ...['d', '[kelpie] Attempt 2 on machine another ended: COMPLETED'],
    ]);
  });

  test('goes on where another one stopped', async () => {
    const { key, lease } = await working();
    await append(key, lease, 0, 'a', 'b', 'c');
    const log = follow(key, { jobId: lease.jobId, attempt: 1, fromOffset: 2 });
    await log.next();
    expect(log.seen).toEqual(['c']);
  });

  test('news comes by notification, not by waiting for the next look', async () => {
    const { key, lease } = await working();
    await append(key, lease, 0, 'first');
    const log = follow(key, { jobId: lease.jobId });
    await log.next();
    const waits: number[] = [];
    for (let offset = 1; offset <= 10; offset += 1) {
      const start = performance.now();
      await append(key, lease, offset, String(offset));
      await log.next();
      waits.push(performance.now() - start);
    }
    // A look a second would take half a second in the middle.
    expect(waits.toSorted((a, b) => a - b)[4]).toBeLessThan(400);
  });

  test.each([{ fromOffset: -1 }, { attempt: 0 }])('%j is refused', async (args) => {
    const { key, lease } = await working();
    await expect(follow(key, { jobId: lease.jobId, ...args }).next()).rejects.toThrow();
  });

  test('of another account’s job is an absence', async () => {
    const { lease } = await working();
    const { secret: stranger } = await app.account();
    const refused = follow(stranger, { jobId: lease.jobId }).next();
    await expect(refused).rejects.toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
  });
});
