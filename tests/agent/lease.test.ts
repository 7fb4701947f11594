import { pino } from 'pino';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import type { HeartbeatInput } from '../../agent/generated/graphql.ts';
import { type Lease, keepLease } from '../../agent/lease.ts';
import type { HeartbeatAnswer } from '../../agent/link.ts';
import type { News } from '../../agent/news.ts';

const renewed: HeartbeatAnswer = { kind: 'RENEWED', leaseMillis: 60_000, directive: 'CONTINUE' };
const nothingNew: News = {
  isDue: () => false,
  warns: () => false,
  take: () => ({ bytesDownloaded: '7' }),
  told: () => undefined,
};
const leases: Lease[] = [];

afterAll(() => leases.forEach((lease) => lease.stop()));

/** A lease whose heartbeats are answered one after another as `answers` says, the last one for ever. */
function leaseAnswered(
  answers: (HeartbeatAnswer | Error)[],
  times: { leaseMillis?: number; heartbeatInterval?: number; beatWithinMs?: () => number } = {},
  news: News = nothingNew,
) {
  const sent: (HeartbeatInput & { at: number })[] = [];
  const told: string[] = [];
  const proofs: { sentAt: number; leaseMillis: number }[] = [];
  const heartbeat = async (input: HeartbeatInput) => {
    const answer = answers[Math.min(sent.length, answers.length - 1)];
    sent.push({ ...input, at: performance.now() });
    if (answer instanceof Error || answer === undefined) throw answer ?? new Error('no answer was prepared');
    return answer;
  };
  const lease = keepLease({
    jobId: 'job-1',
    attempt: 1,
    leaseMillis: 60_000,
    claimedAt: performance.now(),
    heartbeatInterval: 30,
    beatWithinMs: () => Infinity,
    ...times,
    heartbeat,
    news,
    onRenewed: (sentAt, leaseMillis) => proofs.push({ sentAt, leaseMillis }),
    onLost: () => told.push('lost'),
    onRecall: () => told.push('recall'),
    log: pino({ enabled: false }),
  });
  leases.push(lease);
  return { lease, sent, told, proofs };
}

test.concurrent('a new phase is told at once, with what was transferred', async () => {
  const { lease, sent } = leaseAnswered([renewed]);
  lease.enter('DOWNLOADING');
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  lease.enter('RUNNING');
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[1]).toMatchObject({ jobId: 'job-1', attempt: 1, phase: 'RUNNING', bytesDownloaded: '7' });
});

test.concurrent('heartbeats come at a third of a lease that is short for its interval', async () => {
  const { sent } = leaseAnswered([{ ...renewed, leaseMillis: 90 }], { leaseMillis: 90 });
  await vi.waitFor(() => expect(sent.length).toBeGreaterThan(4));
});

test.concurrent('progress is told at most once a second, and then only the latest', async () => {
  const { lease, sent } = leaseAnswered([renewed]);
  lease.report({ fraction: 0.1 });
  await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 3000 });
  lease.report({ fraction: 0.2 });
  lease.report({ fraction: 0.3 });
  await vi.waitFor(() => expect(sent).toHaveLength(2), { timeout: 3000 });
  expect(sent[1]!.progress).toEqual({ fraction: 0.3 });
  expect(sent[1]!.at - sent[0]!.at).toBeGreaterThan(990);
});

test.concurrent('a heartbeat without an answer is repeated soon, with the progress it carried', async () => {
  const { lease, sent, told } = leaseAnswered([new Error('connection closed'), renewed]);
  lease.report({ message: 'half' });
  lease.enter('RUNNING');
  await vi.waitFor(() => expect(sent).toHaveLength(2), { timeout: 3000 });
  expect(sent[1]).toMatchObject({ phase: 'RUNNING', progress: { message: 'half' } });
  expect(told).toEqual([]);
});

test.concurrent('a lease that is lost is told once, and ends the heartbeats', async () => {
  const { lease, sent, told } = leaseAnswered(
    [{ kind: 'LEASE_LOST', message: 'attempt 2 exists', isCanceled: false }],
    {
      leaseMillis: 30,
    },
  );
  lease.enter('RUNNING');
  await vi.waitFor(() => expect(told).toEqual(['lost']));
  lease.renew();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(sent).toHaveLength(1);
  expect(told).toHaveLength(1);
});

test.concurrent('a job that the server wants back keeps its lease until it is given back', async () => {
  const { sent, told } = leaseAnswered([{ ...renewed, leaseMillis: 30, directive: 'STOP' }], { leaseMillis: 30 });
  await vi.waitFor(() => expect(sent.length).toBeGreaterThan(2));
  expect(told).toContain('recall');
});

test.concurrent('progress that the server chokes on does not cost the lease', async () => {
  const { lease, sent } = leaseAnswered([new Error('internal'), new Error('internal'), new Error('internal'), renewed]);
  lease.report({ message: 'x' });
  lease.renew();
  await vi.waitFor(() => expect(sent).toHaveLength(4), { timeout: 8000 });
  expect(sent.map(({ progress }) => progress !== undefined)).toEqual([true, true, true, false]);
});

test.concurrent('a refused heartbeat does not end the lease, and its progress is not repeated', async () => {
  const { lease, sent, told } = leaseAnswered([{ kind: 'REFUSED', message: 'progress is too long' }, renewed]);
  lease.report({ message: 'x' });
  lease.renew();
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  lease.renew();
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[1]).not.toHaveProperty('progress');
  expect(told).toEqual([]);
});

// Not beside the others, whose time would stand still as well.
test('what was reported last is told before the end, without waiting for its second', async () => {
  const { lease, sent } = leaseAnswered([renewed]);
  lease.report({ fraction: 0.9 });
  await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 3000 });
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  lease.report({ fraction: 1 });
  await lease.tellLast(new AbortController().signal);
  expect(sent[1]!.progress).toEqual({ fraction: 1 });
  await lease.tellLast(new AbortController().signal);
  expect(sent).toHaveLength(2);
});

test.concurrent('the last report holds up nothing when the server does not answer', async () => {
  const { lease, sent } = leaseAnswered([new Error('connection closed')]);
  lease.report({ fraction: 1 });
  await lease.tellLast(new AbortController().signal);
  expect(sent).toHaveLength(1);
});

test.concurrent('an acknowledged heartbeat is a proof from the moment it was sent', async () => {
  const before = performance.now();
  const { lease, sent, proofs } = leaseAnswered([new Error('connection closed'), renewed]);
  lease.renew();
  await vi.waitFor(() => expect(proofs).toHaveLength(1), { timeout: 3000 });
  expect(proofs[0]!.leaseMillis).toBe(60_000);
  // The first one, which nobody answered, proves nothing.
  expect(proofs[0]!.sentAt).toBeGreaterThan(sent[0]!.at);
  expect(proofs[0]!.sentAt).toBeGreaterThan(before);
  expect(proofs[0]!.sentAt).toBeLessThanOrEqual(sent[1]!.at);
});

test.concurrent('heartbeats come more often while the connection makes it necessary', async () => {
  const { sent } = leaseAnswered([renewed], { beatWithinMs: () => 30 });
  await vi.waitFor(() => expect(sent.length).toBeGreaterThan(4));
});

/** News that are due until told, as those of a sync are. */
function newsOf(warning: string) {
  let isTold = false;
  const news: News = {
    isDue: () => !isTold,
    warns: () => !isTold,
    take: () => ({ warning }),
    told: (tidings) => void (isTold = 'warning' in tidings),
  };
  return { news, again: () => (isTold = false) };
}

test.concurrent(
  'news are told within a second, at once where nothing was said for so long, and at most once a second',
  async () => {
    const { news, again } = newsOf('slow');
    const { lease, sent } = leaseAnswered([renewed], {}, news);
    await vi.waitFor(() => expect(sent).toHaveLength(1), { timeout: 3000 });
    expect(sent[0]).toMatchObject({ warning: 'slow' });
    again();
    lease.hint();
    lease.hint();
    await vi.waitFor(() => expect(sent).toHaveLength(2), { timeout: 3000 });
    expect(sent[1]!.at - sent[0]!.at).toBeGreaterThan(990);
  },
);

test.concurrent('news that nobody takes do not cost the lease: every other heartbeat goes without them', async () => {
  const { sent } = leaseAnswered(
    [{ kind: 'REFUSED', message: 'a field of tomorrow' }, renewed],
    {},
    newsOf('slow').news,
  );
  await vi.waitFor(() => expect(sent).toHaveLength(2), { timeout: 4000 });
  expect(sent.map((input) => 'warning' in input)).toEqual([true, false]);
});

test.concurrent(
  'a heartbeat without news tells none: what the server has not taken is not taken for told',
  async () => {
    const told: unknown[] = [];
    const news: News = {
      isDue: () => true,
      warns: () => true,
      take: () => ({ warning: 'slow' }),
      told: (tidings) => void told.push(tidings),
    };
    const answers = [{ kind: 'REFUSED', message: 'a field of tomorrow' } as const, renewed, renewed];
    const { sent } = leaseAnswered(answers, {}, news);
    await vi.waitFor(() => expect(sent).toHaveLength(3), { timeout: 6000 });
    expect(sent.map((input) => 'warning' in input)).toEqual([true, false, true]);
    await vi.waitFor(() => expect(told).toEqual([{ warning: 'slow' }]));
  },
);

test.concurrent('news that the server chokes on do not cost the lease', async () => {
  const answers = [new Error('internal'), new Error('internal'), new Error('internal'), renewed];
  const { lease, sent } = leaseAnswered(answers, {}, newsOf('slow').news);
  lease.renew();
  await vi.waitFor(() => expect(sent).toHaveLength(4), { timeout: 8000 });
  expect(sent.map((input) => 'warning' in input)).toEqual([true, true, true, false]);
});
