import { afterAll, describe, expect, test } from 'vitest';
import { startTestApp } from '../support/app.ts';
import { ask, mutate, mutation, refusal, submitted, type Answer } from '../support/graphql.ts';

const app = await startTestApp();
afterAll(() => app.close());
const { secret: key } = await app.account();

const job = { command: 'true', containerGroupId: 'group' };
const entry = { bucket: 'b', prefix: 'p', localPath: '/data', direction: 'DOWNLOAD' };
const countJobs = async (): Promise<number> =>
  (await app.database.query<{ count: number }>('select count(*)::int as count from jobs'))[0]!.count;

describe('submitJob', () => {
  test('stores a job, which can be read back as it was given', async () => {
    const input = {
      name: 'everything',
      command: './run',
      arguments: ['--seed', '7'],
      environment: { A: '1' },
      containerGroupId: 'full',
      sync: {
        before: [{ ...entry, pattern: '*.bin', patternSyntax: 'GLOB' }],
        during: [{ ...entry, direction: 'UPLOAD' }],
        after: [{ ...entry, prefix: '', direction: 'UPLOAD' }],
      },
      compression: true,
      webhook: 'https://example.test/hook',
      priority: -3,
      labels: { team: 'x' },
      maxFailures: 2,
      maxInterruptions: 9,
      timeoutSeconds: 60,
      stallTimeoutSeconds: 30,
      heartbeatInterval: 5,
    };
    const id = await submitted(app, key, input);
    const read = await ask(
      app,
      key,
      `query ($id: ID!) { job(id: $id) {
        id status name command arguments environment containerGroupId compression webhook priority labels maxFailures
        maxInterruptions timeoutSeconds stallTimeoutSeconds heartbeatInterval numFailures numInterruptions numSyncFailures numHeartbeats
        statusReason createdAt startedAt completedAt canceledAt failedAt heartbeatAt machineId runSeconds
        progress { at } attempt { number } legacySync { inputBucket }
        sync { before { ...entry } during { ...entry } after { ...entry } }
        attempts { nodes { number } } events { nodes { seq type attempt jobId } } } }
      fragment entry on SyncEntry { bucket prefix localPath direction pattern patternSyntax }`,
      { id },
    );
    const stored = { bucket: 'b', prefix: 'p/', localPath: '/data', pattern: null, patternSyntax: null };
    expect(read).toEqual({
      ...input,
      id,
      status: 'PENDING',
      sync: {
        before: [{ ...stored, direction: 'DOWNLOAD', pattern: '*.bin', patternSyntax: 'GLOB' }],
        during: [{ ...stored, direction: 'UPLOAD' }],
        after: [{ ...stored, prefix: '', direction: 'UPLOAD' }],
      },
      legacySync: null,
      ...{ numFailures: 0, numInterruptions: 0, numSyncFailures: 0, numHeartbeats: 0, runSeconds: 0 },
      statusReason: 'No agent of container group full is connected.',
      ...{ startedAt: null, completedAt: null, canceledAt: null, failedAt: null },
      ...{ heartbeatAt: null, machineId: null, progress: null, attempt: null },
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      attempts: { nodes: [] },
      events: { nodes: [{ seq: 1, type: 'SUBMITTED', attempt: null, jobId: id }] },
    });
  });

  test('needs no more than a command and a container group', async () => {
    expect(await mutate(app, key, 'submitJob', job)).toMatchObject({ __typename: 'Job', status: 'PENDING' });
  });

  test('takes the older form of sync', async () => {
    const legacySync = {
      ...{ inputBucket: 'i', inputPrefix: 'a', checkpointBucket: 'c', checkpointPrefix: 'b/' },
      ...{ outputBucket: 'o', outputPrefix: '' },
    };
    const id = await submitted(app, key, { legacySync });
    const read = await ask(
      app,
      key,
      `{ job(id: "${id}") { sync { before { bucket } } legacySync {
           inputBucket inputPrefix checkpointBucket checkpointPrefix outputBucket outputPrefix } } }`,
    );
    expect(read).toEqual({ sync: null, legacySync: { ...legacySync, inputPrefix: 'a/' } });
  });

  test('with a known idempotency key gives the first job, or a Conflict for another body', async () => {
    const id = await submitted(app, key, { idempotencyKey: 'k' });
    expect(await submitted(app, key, { idempotencyKey: 'k' })).toBe(id);
    const other = await mutate(app, key, 'submitJob', { ...job, idempotencyKey: 'k', priority: 1 });
    expect(other).toMatchObject({ __typename: 'Conflict', code: 'CONFLICT' });
    expect(other.message).toContain(id);
  });
});

describe('submitJobs', () => {
  test('stores a batch in its order', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `job ${index}`);
    const batch = await mutate(
      app,
      key,
      'submitJobs',
      names.map((name) => ({ ...job, name })),
    );
    expect((batch.jobs as Answer[]).map(({ name }) => name)).toEqual(names);
  });

  test('stores nothing when one of them is bad, and names it', async () => {
    const before = await countJobs();
    const bad = await mutate(app, key, 'submitJobs', [job, { ...job, command: '' }, { ...job, priority: 101 }]);
    expect(bad.__typename).toBe('InvalidInput');
    expect(bad.issues.map(({ path }) => path.join('.'))).toEqual(['input.1.command', 'input.2.priority']);
    expect(await countJobs()).toBe(before);
  });

  test('stores nothing when one of them conflicts', async () => {
    await submitted(app, key, { idempotencyKey: 'middle' });
    const before = await countJobs();
    const conflicting = { ...job, idempotencyKey: 'middle', command: 'other' };
    expect(await mutate(app, key, 'submitJobs', [job, conflicting, job])).toMatchObject({ __typename: 'Conflict' });
    expect(await countJobs()).toBe(before);
  });

  test.each([
    ['no jobs', 0, 'at least 1'],
    ['1,001 jobs', 1_001, 'at most 1000'],
  ])('refuses %s, saying how many there may be', async (_name, count, expected) => {
    const before = await countJobs();
    const refused = await mutate(
      app,
      key,
      'submitJobs',
      Array.from({ length: count }, () => job),
    );
    expect(refused).toMatchObject({ __typename: 'InvalidInput', issues: [{ path: ['input'] }] });
    expect(refused.message).toContain(expected);
    expect(await countJobs()).toBe(before);
  });

  test('takes 1,000 jobs', async () => {
    const batch = await mutate(
      app,
      key,
      'submitJobs',
      Array.from({ length: 1_000 }, () => job),
    );
    expect(batch.jobs).toHaveLength(1_000);
  });
});

const long = 'x'.repeat(3 * 1024 * 1024);
const after = (part: object) => ({ sync: { after: [{ ...entry, direction: 'UPLOAD', ...part }] } });
const legacySync = {
  ...{ inputBucket: 'i', inputPrefix: 'a', checkpointBucket: 'c', checkpointPrefix: 'b/' },
  ...{ outputBucket: 'o', outputPrefix: '' },
};

/** What should be refused, and the place that the refusal names. */
const badJobs: [string, object, string][] = [
  ['an empty command', { command: '' }, 'input.command'],
  ['a zero character in a command', { command: 'a\0b' }, 'input.command'],
  ['an argument of 3 MB', { arguments: [long] }, 'input.arguments.0'],
  ['arguments of 2 MB together', { arguments: Array(20).fill('x'.repeat(100_000)) }, 'input.arguments'],
  ['half of a surrogate pair', { arguments: ['ok', '\ud800'] }, 'input.arguments.1'],
  ['a number in the environment', { environment: { A: 1 } }, 'input.environment.A'],
  ['a list in the environment', { environment: { A: ['x'] } }, 'input.environment.A'],
  ['an "=" in a variable’s name', { environment: { 'A=B': '1' } }, 'input.environment.A=B'],
  ['an empty container group', { containerGroupId: '' }, 'input.containerGroupId'],
  ['a prefix with ".."', { sync: { before: [{ ...entry, prefix: 'a/../b' }] } }, 'input.sync.before.0.prefix'],
  ['a prefix that starts with "/"', after({ prefix: '/a' }), 'input.sync.after.0.prefix'],
  ['a bucket with a slash', after({ bucket: 'a/b' }), 'input.sync.after.0.bucket'],
  ['an empty local path', after({ localPath: '' }), 'input.sync.after.0.localPath'],
  ['a download after the command', after({ direction: 'DOWNLOAD' }), 'input.sync.after.0.direction'],
  [
    'an upload before the command',
    { sync: { before: [{ ...entry, direction: 'UPLOAD' }] } },
    'input.sync.before.0.direction',
  ],
  ['a pattern that does not compile', after({ pattern: '(a' }), 'input.sync.after.0.pattern'],
  [
    'a regular expression that does not compile',
    after({ pattern: '[', patternSyntax: 'REGEX' }),
    'input.sync.after.0.pattern',
  ],
  ['both forms of sync', { sync: {}, legacySync }, 'input.sync'],
  ['a webhook to a file', { webhook: 'file:///etc/passwd' }, 'input.webhook'],
  ['a webhook that is no URL', { webhook: 'not a url' }, 'input.webhook'],
  ['a priority above 100', { priority: 101 }, 'input.priority'],
  ['a priority below -100', { priority: -101 }, 'input.priority'],
  ['65 labels', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`l${n}`, 'x'])) }, 'input.labels'],
  ['a label that is no text', { labels: { a: true } }, 'input.labels.a'],
  ['max_failures of 0', { maxFailures: 0 }, 'input.maxFailures'],
  ['max_interruptions below 0', { maxInterruptions: -1 }, 'input.maxInterruptions'],
  ['a timeout of 0', { timeoutSeconds: 0 }, 'input.timeoutSeconds'],
  ['a heartbeat interval of 0', { heartbeatInterval: 0 }, 'input.heartbeatInterval'],
  ['an empty idempotency key', { idempotencyKey: '' }, 'input.idempotencyKey'],
  ['an empty name', { name: '' }, 'input.name'],
];

/** What GraphQL itself refuses, and a word of its message. */
const malformed: [string, unknown, string][] = [
  ['an unknown field', { ...job, comand: 'x' }, 'comand'],
  ['an unknown field in a sync entry', { ...job, sync: { before: [{ ...entry, x: 1 }] } }, 'x'],
  ['no command', { containerGroupId: 'g' }, 'command'],
  ['a number for a command', { ...job, command: 5 }, 'command'],
  ['a text for the arguments’ elements', { ...job, arguments: [1] }, 'arguments'],
  ['a text for a number', { ...job, maxFailures: '3' }, 'maxFailures'],
  ['a fraction for a whole number', { ...job, maxFailures: 1.5 }, 'maxFailures'],
  ['a text for the labels', { ...job, labels: 'a=b' }, 'labels'],
  ['a list for the environment', { ...job, environment: ['A=1'] }, 'environment'],
  ['a direction that there is not', { ...job, sync: { before: [{ ...entry, direction: 'SIDEWAYS' }] } }, 'SIDEWAYS'],
  ['a job that is null', null, 'input'],
  ['a job that is a text', 'job', 'input'],
];

describe('a bad submission stores nothing and names the place of', () => {
  test.each(badJobs)('%s', async (_name, part, place) => {
    const before = await countJobs();
    const one = await mutate(app, key, 'submitJob', { ...job, ...part });
    expect([one.__typename, one.code]).toEqual(['InvalidInput', 'INVALID_INPUT']);
    expect(one.issues.map(({ path }) => path.join('.'))).toContain(place);
    expect(one.message).not.toContain(long);
    const batch = await mutate(app, key, 'submitJobs', [job, { ...job, ...part }]);
    expect(batch.issues.map(({ path }) => path.join('.'))).toContain(place.replace('input', 'input.1'));
    expect(await countJobs()).toBe(before);
  });

  test.each(malformed)('%s', async (_name, input, word) => {
    const before = await countJobs();
    const { message, extensions } = await refusal(app, key, mutation('submitJob'), { input });
    expect(message).toContain(word);
    expect(extensions?.code).not.toBe('INTERNAL_SERVER_ERROR');
    expect(await countJobs()).toBe(before);
  });

  test('an unknown field that is written into the document', async () => {
    const before = await countJobs();
    const document = `mutation { submitJob(input: {command: "a", containerGroupId: "g", colour: "red"}) { __typename } }`;
    expect((await refusal(app, key, document)).message).toContain('colour');
    expect(await countJobs()).toBe(before);
  });

  test('every fault at once, not the first alone', async () => {
    const bad = await mutate(app, key, 'submitJob', { ...job, command: '', priority: 500, webhook: 'ftp://x' });
    expect(bad.issues.map(({ path }) => path.join('.'))).toEqual(
      expect.arrayContaining(['input.command', 'input.priority', 'input.webhook']),
    );
  });
});
