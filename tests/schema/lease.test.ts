import { constants } from 'node:os';
import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { startTestApp } from '../support/app.ts';
import {
  ask,
  claimed,
  mutate,
  mutation,
  refusal,
  registered,
  submitted,
  type MutationName,
} from '../support/graphql.ts';

const app = await startTestApp();
afterAll(() => app.close());

/** An account with one job that its agent has claimed. */
async function working(part: object = {}) {
  const { secret: key } = await app.account();
  await submitted(app, key, part);
  const agentId = await registered(app, key);
  return { key, agentId, lease: await claimed(app, key, agentId) };
}

describe('registerAgent', () => {
  test('makes an agent known, and finds it again by its session', async () => {
    const { secret: key } = await app.account();
    const input = {
      machineId: 'm',
      containerGroupId: 'g',
      sessionId: randomUUID(),
      version: '1.2',
      hardware: { gpus: [{ name: 'x', memoryMiB: 24_576 }] },
    };
    const agent = await mutate(app, key, 'registerAgent', input);
    expect(agent).toMatchObject({ __typename: 'Agent', ...input, hardware: { all: input.hardware } });
    expect((await mutate(app, key, 'registerAgent', input)).id).toBe(agent.id);
  });

  test.each([
    ['sessionId', { sessionId: 'not a uuid' }],
    ['machineId', { machineId: '' }],
    ['containerGroupId', { containerGroupId: 'x'.repeat(256) }],
    ['hardware', { hardware: { text: 'x'.repeat(20_001) } }],
    ['hardware', { hardware: { deep: [{ down: 'a\0b' }] } }],
    ['hardware', { hardware: { '\ud800': 1 } }],
    ['hardware', { hardware: { cpus: -1 } }],
    ['hardware', { hardware: { memoryBytes: 'much' } }],
    ['hardware', { hardware: { gpus: Array.from({ length: 65 }, () => ({})) } }],
  ])('with a bad %s is InvalidInput', async (place, part) => {
    const { secret: key } = await app.account();
    const input = { machineId: 'm', containerGroupId: 'g', sessionId: randomUUID(), ...part };
    const refused = await mutate(app, key, 'registerAgent', input);
    expect(refused.__typename).toBe('InvalidInput');
    expect(refused.issues[0]?.path[0]).toBe(place);
  });

  test('takes a backslash for a backslash in what it says of its machine', async () => {
    const { secret: key } = await app.account();
    const hardware = { path: 'C:\\u0000', twice: '\\\\ud800' };
    const input = { machineId: 'm', containerGroupId: 'g', sessionId: randomUUID(), hardware };
    expect(await mutate(app, key, 'registerAgent', input)).toMatchObject({
      __typename: 'Agent',
      hardware: { all: hardware },
    });
  });
});

describe('claimJob', () => {
  test('gives the job with its environment, the attempt and the length of the lease', async () => {
    const { secret: key } = await app.account();
    const id = await submitted(app, key, { heartbeatInterval: 7, environment: { SECRET: 's' } });
    const agentId = await registered(app, key, 'machine 9');
    expect(await mutate(app, key, 'claimJob', { agentId })).toEqual({
      __typename: 'Claim',
      leaseMillis: 14_000,
      attempt: { number: 1, machineId: 'machine 9', phase: null },
      job: { id, status: 'RUNNING', environment: { SECRET: 's' } },
    });
  });

  test('without work is NoWork, which says when to ask again', async () => {
    const { secret: key } = await app.account();
    const agentId = await registered(app, key);
    const nothing = await mutate(app, key, 'claimJob', { agentId });
    expect(nothing).toEqual({ __typename: 'NoWork', retryAfterMillis: expect.any(Number) as number });
  });

  test('of an agent that is unknown, or another account’s, is NotFound', async () => {
    const [mine, theirs] = [await app.account(), await app.account()];
    const agentId = await registered(app, mine.secret);
    expect(await mutate(app, theirs.secret, 'claimJob', { agentId })).toMatchObject({ __typename: 'NotFound' });
    expect(await mutate(app, mine.secret, 'claimJob', { agentId: 'x' })).toMatchObject({ __typename: 'NotFound' });
  });
});

describe('heartbeat', () => {
  const transfer = { filesDone: 1, filesTotal: 4, bytesDone: 512, bytesTotal: 1024, bytesPerSecond: 100 };

  test('brings what people see of the sync', async () => {
    const { key, lease } = await working();
    const seen = `{ job(id: "${lease.jobId}") {
      status statusReason lastCheckpointAt syncLagSeconds progress { fraction message metrics }
      attempt { filesDownloaded filesUploaded } events { nodes { type data } } } }`;
    expect(await ask(app, key, seen)).toMatchObject({ lastCheckpointAt: null, syncLagSeconds: null, progress: null });
    const checkpoints = { files: 2, bytes: 30, newestKeys: ['run/a', 'run/b'] };
    const said = { ...lease, phase: 'DOWNLOADING', transfer, checkpoints, filesDownloaded: 1, filesUploaded: 2 };
    await mutate(app, key, 'heartbeat', { ...said, syncLagSeconds: 0, warning: 'Uploads keep failing' });
    const job = await ask(app, key, seen);
    expect(job).toMatchObject({
      ...{ status: 'RUNNING', statusReason: 'Uploads keep failing', syncLagSeconds: 0 },
      lastCheckpointAt: expect.stringMatching(/Z$/) as string,
      progress: { fraction: 0.5, message: 'downloading 1 of 4 files, 0.5 of 1.0 KiB at 100 B/s' },
      attempt: { filesDownloaded: 1, filesUploaded: 2 },
    });
    const { nodes } = job.events as { nodes: { type: string; data: unknown }[] };
    expect(nodes.find(({ type }) => type === 'CHECKPOINT_SAVED')?.data).toEqual({
      ...{ files: 2, bytes: 30, keys: ['run/a', 'run/b'], more: 0 },
    });
    const rest = await app.rest(key, 'GET', `/jobs/${lease.jobId}`);
    expect(rest.body).toMatchObject({ status: 'running', status_reason: 'Uploads keep failing' });
    await mutate(app, key, 'heartbeat', { ...lease, phase: 'RUNNING', syncLagSeconds: 7, warning: null });
    const later = await ask(app, key, seen);
    expect(later).toMatchObject({ statusReason: null, progress: null });
    expect(later.syncLagSeconds).toBeGreaterThanOrEqual(7);
  });

  test('renews the lease', async () => {
    const { key, lease } = await working({ heartbeatInterval: 9 });
    expect(await mutate(app, key, 'heartbeat', lease)).toEqual({
      __typename: 'Lease',
      leaseMillis: 18_000,
      directive: 'CONTINUE',
    });
  });

  test('takes metrics by their characters, as agents count them, not by their bytes', async () => {
    const { key, lease } = await working();
    const metrics = { text: '字'.repeat(9_000) };
    expect(await mutate(app, key, 'heartbeat', { ...lease, progress: { metrics } })).toMatchObject({
      __typename: 'Lease',
    });
  });

  test.each([
    ['attempt', { attempt: 0 }],
    ['jobId', { jobId: 'no id' }],
    ['progress.fraction', { progress: { fraction: 1.5 } }],
    ['progress.message', { progress: { message: 'x'.repeat(1_001) } }],
    ['progress.metrics', { progress: { metrics: { text: 'x'.repeat(10_001) } } }],
    ['progress.metrics', { progress: { metrics: { text: '\0' } } }],
    ['warning', { warning: 'x'.repeat(501) }],
    ['warning', { warning: '' }],
    ['warning', { warning: 'half a pair: \ud800' }],
    ['syncLagSeconds', { syncLagSeconds: -1 }],
    ['syncLagSeconds', { syncLagSeconds: 1e300 }],
    ['filesUploaded', { filesUploaded: -1 }],
    ['transfer.bytesPerSecond', { transfer: { ...transfer, bytesPerSecond: -1 } }],
    ['transfer.filesDone', { transfer: { ...transfer, filesDone: -1 } }],
    ['checkpoints.newestKeys', { checkpoints: { files: 11, bytes: 1, newestKeys: Array<string>(11).fill('k') } }],
    ['checkpoints.newestKeys.0', { checkpoints: { files: 1, bytes: 1, newestKeys: ['k'.repeat(1_025)] } }],
  ])('with a bad %s is InvalidInput', async (place, part) => {
    const { key, lease } = await working();
    const refused = await mutate(app, key, 'heartbeat', { ...lease, ...part });
    expect(refused.__typename).toBe('InvalidInput');
    expect(refused.issues.map(({ path }) => path.join('.'))).toEqual([place]);
  });

  test.each([
    ['bytes below 0', { bytesUploaded: -1 }],
    ['bytes that are no number', { bytesUploaded: 'many' }],
    ['a phase that there is not', { phase: 'SLEEPING' }],
  ])('with %s is refused by GraphQL', async (_name, part) => {
    const { key, lease } = await working();
    const { extensions } = await refusal(app, key, mutation('heartbeat'), { input: { ...lease, ...part } });
    expect(extensions?.code).not.toBe('INTERNAL_SERVER_ERROR');
  });
});

describe('the endings', () => {
  test('completeAttempt completes the job, and repeated says the same', async () => {
    const { key, lease } = await working();
    const done = { __typename: 'Job', id: lease.jobId, status: 'COMPLETED' };
    expect(await mutate(app, key, 'completeAttempt', { ...lease, bytesUploaded: '12' })).toEqual(done);
    expect(await mutate(app, key, 'completeAttempt', lease)).toEqual(done);
  });

  test.each([
    ['FAILED', { numFailures: 1, numSyncFailures: 0 }],
    ['TIMED_OUT', { numFailures: 1, numSyncFailures: 0 }],
    ['SYNC_FAILED', { numFailures: 0, numSyncFailures: 1 }],
  ])('failAttempt with %s counts what it should', async (outcome, counted) => {
    const { key, lease } = await working();
    const input = { ...lease, outcome, reason: 'exit code 3', exitCode: 3, signal: null };
    const job = await mutate(app, key, 'failAttempt', input);
    expect(job).toEqual({ __typename: 'Job', id: lease.jobId, status: 'PENDING', ...counted });
  });

  test.each(['COMPLETED', 'LOST', 'RELEASED', 'CANCELED'])('failAttempt with %s is InvalidInput', async (outcome) => {
    const { key, lease } = await working();
    const refused = await mutate(app, key, 'failAttempt', { ...lease, outcome, reason: 'x' });
    expect(refused).toMatchObject({ __typename: 'InvalidInput', issues: [{ path: ['outcome'] }] });
  });

  test.each([
    ...(['SIGKILL', 'KILL', 'sigkill', '9', ' 9\n'] as const).map((told) => [told, 'SIGKILL'] as const),
    ...(['\u009b31m\u202e', 'SIG\u001b[31m', 'crash', '', '0', '65', '-9', 'a\0b', 'x'.repeat(1_000)] as const).map(
      (told) => [told, null] as const,
    ),
  ])('failAttempt counts whatever its signal is told as: %j is %s', async (told, kept) => {
    const { key, lease } = await working();
    const job = await mutate(app, key, 'failAttempt', { ...lease, outcome: 'FAILED', reason: 'x', signal: told });
    expect(job).toMatchObject({ __typename: 'Job', numFailures: 1 });
    const stored = await app.database.query('select signal from attempts where job_id = $1', [lease.jobId]);
    expect(stored).toEqual([{ signal: kept }]);
  });

  test('failAttempt takes the signals that there are', async () => {
    for (const signal of [...Object.keys(constants.signals), 'SIGRTMIN+3', 'SIG34']) {
      const { key, lease } = await working();
      const job = await mutate(app, key, 'failAttempt', { ...lease, outcome: 'FAILED', reason: 'x', signal });
      expect(job).toMatchObject({ __typename: 'Job', numFailures: 1 });
    }
  });

  test('releaseAttempt gives the job back, and another agent gets it', async () => {
    const { key, lease } = await working();
    const job = await mutate(app, key, 'releaseAttempt', lease);
    expect(job).toEqual({ __typename: 'Job', id: lease.jobId, status: 'PENDING', numInterruptions: 1 });
    const next = await claimed(app, key, await registered(app, key, 'another'));
    expect(next).toEqual({ jobId: lease.jobId, attempt: 2 });
  });

  const verbs: [MutationName, object][] = [
    ['heartbeat', { phase: 'RUNNING' }],
    ['completeAttempt', {}],
    ['failAttempt', { outcome: 'FAILED', reason: 'x' }],
    ['releaseAttempt', {}],
  ];

  test.each(verbs)('%s of a canceled job is LeaseLost, of another account’s job as well', async (verb, part) => {
    const { key, lease } = await working();
    const { secret: stranger } = await app.account();
    expect(await mutate(app, stranger, verb, { ...lease, ...part })).toMatchObject({ __typename: 'LeaseLost' });
    await mutate(app, key, 'cancelJob', lease.jobId);
    const lost = await mutate(app, key, verb, { ...lease, ...part });
    expect(lost).toMatchObject({ __typename: 'LeaseLost', code: 'LEASE_LOST' });
    expect(lost.message).toContain('CANCELED');
  });

  test.each(verbs)('%s with a bad attempt is InvalidInput', async (verb, part) => {
    const { key, lease } = await working();
    const refused = await mutate(app, key, verb, { ...lease, ...part, attempt: -1 });
    expect(refused).toMatchObject({ __typename: 'InvalidInput', issues: [{ path: ['attempt'] }] });
  });
});
