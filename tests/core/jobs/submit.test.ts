import { afterAll, describe, expect, test } from 'vitest';
import { ConflictError, InvalidInputError } from '../../../core/errors.ts';
import { specHash } from '../../../core/jobs/spec.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { allRows, claim, eventTypes, outcomes, submit, tryClaim } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 20 });
afterAll(close);
const upload = { bucket: 'b', prefix: 'out', localPath: '/out', direction: 'UPLOAD' };

describe('Rule 14: idempotency', () => {
  test('the same key with the same body gives the first job, and stores nothing', async () => {
    const { viewer } = await account();
    const first = await submit(core, viewer, { idempotencyKey: 'key', labels: { a: '1', b: '2' } });
    const before = await allRows(database);
    const again = await submit(core, viewer, { labels: { b: '2', a: '1' }, idempotencyKey: 'key', priority: null });
    expect(again.id).toBe(first.id);
    expect(await allRows(database)).toEqual(before);
  });

  test('a body is what was given: a server with other defaults, or more fields, takes a repetition for one', () => {
    const given = { labels: { a: '1' }, sync: { after: [{ ...upload, pattern: null }] } };
    const before = spec(given);
    const after = { ...spec(given), maxFailures: 5, heartbeatInterval: 60, aFieldOfTomorrow: 'its default' };
    expect(specHash(after)).toBe(specHash(before));
    expect(specHash([after])).toBe(specHash([before]));
    const same = spec({
      sync: { after: [upload], before: null },
      name: null,
      labels: { a: '1' },
      idempotencyKey: 'any',
    });
    expect(specHash(same)).toBe(specHash(before));
    const others = [
      { maxFailures: 3 },
      { labels: { a: '2' } },
      { arguments: [] },
      { sync: { before: [], after: [upload] } },
    ];
    const hashes = [before, ...others.map((part) => spec({ ...given, ...part }))].map((one) => specHash(one));
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test('20 submissions of one key at once make one job', async () => {
    const { viewer } = await account();
    const jobs = await Promise.all(Array.from({ length: 20 }, () => submit(core, viewer, { idempotencyKey: 'many' })));
    expect(new Set(jobs.map((job) => job.id)).size).toBe(1);
    expect(await eventTypes(database, jobs[0]!.id)).toEqual(['SUBMITTED']);
  });

  test('batches with the same keys in opposite orders, at once, give the same jobs', async () => {
    const { viewer } = await account();
    const specs = Array.from({ length: 400 }, (_, index) => spec({ idempotencyKey: `crossed-${index}` }));
    const batches = [specs, specs.toReversed(), specs, specs.toReversed()];
    const stored = await Promise.all(batches.map((batch) => submitJobs(core, viewer, batch)));
    const [there, back, ...others] = stored.map((jobs) => jobs.map((job) => job.id));
    expect(back).toEqual(there!.toReversed());
    expect(others).toEqual([there, back]);
  });

  test('the same key with another body is a conflict that names the first job', async () => {
    const { viewer } = await account();
    const first = await submit(core, viewer, { idempotencyKey: 'key' });
    const before = await allRows(database);
    const other = submit(core, viewer, { idempotencyKey: 'key', command: 'false' });
    await expect(other).rejects.toThrow(ConflictError);
    await expect(other).rejects.toThrow(first.id);
    expect(await allRows(database)).toEqual(before);
  });

  test('a job that has been claimed is still found by its key', async () => {
    const { viewer } = await account();
    const first = await submit(core, viewer, { idempotencyKey: 'key' });
    await claim(core, viewer);
    const again = await submit(core, viewer, { idempotencyKey: 'key' });
    expect([again.id, again.status]).toEqual([first.id, 'RUNNING']);
  });

  test('a key is its account’s own', async () => {
    const one = await account();
    const two = await account();
    const first = await submit(core, one.viewer, { idempotencyKey: 'shared' });
    const second = await submit(core, two.viewer, { idempotencyKey: 'shared', command: 'other' });
    expect(second.id).not.toBe(first.id);
  });

  test('one batch may name a key twice, with one body', async () => {
    const { viewer } = await account();
    const twin = spec({ idempotencyKey: 'twin' });
    const jobs = await submitJobs(core, viewer, [twin, spec(), twin]);
    expect(jobs[2]!.id).toBe(jobs[0]!.id);
    const different = submitJobs(core, viewer, [
      spec({ idempotencyKey: 'one' }),
      spec({ idempotencyKey: 'one', command: 'no' }),
    ]);
    await expect(different).rejects.toThrow(ConflictError);
  });
});

describe('a batch', () => {
  test('is stored whole or not at all', async () => {
    const { viewer } = await account();
    await submit(core, viewer, { idempotencyKey: 'taken' });
    const before = await allRows(database);
    const middle = spec({ idempotencyKey: 'taken', command: 'other' });
    expect(await outcomes([submitJobs(core, viewer, [spec(), middle, spec()])])).toEqual(['CONFLICT']);
    expect(await allRows(database)).toEqual(before);
  });

  test('keeps its order, of 1,000 too, in the answer and in the queue', async () => {
    const { viewer } = await account();
    const names = Array.from({ length: 1_000 }, (_, index) => `job ${index}`);
    const specs = names.map((name) => spec({ name }));
    const jobs = await submitJobs(core, viewer, specs);
    expect(jobs.map((job) => job.name)).toEqual(names);
    const positions = jobs.map((job) => BigInt(job.position));
    expect(positions).toEqual(positions.toSorted((a, b) => (a < b ? -1 : 1)));
    const claimed: unknown[] = [];
    for (let index = 0; index < 5; index++) claimed.push((await claim(core, viewer)).name);
    expect(claimed).toEqual(names.slice(0, 5));
  });

  test('is claimed by priority, then in the order of submission', async () => {
    const { viewer } = await account();
    const part = (name: string, priority: number) => spec({ name, priority });
    await submitJobs(core, viewer, [part('low', -5), part('first', 1), part('middle', 0), part('second', 1)]);
    await submitJobs(core, viewer, [part('high', 100), part('third', 1)]);
    const order: unknown[] = [];
    for (let job = await tryClaim(core, viewer, 'm'); job !== undefined; job = await tryClaim(core, viewer, 'm')) {
      order.push(job.name);
    }
    expect(order).toEqual(['high', 'first', 'second', 'third', 'middle', 'low']);
  });

  test('has 1 to 1,000 jobs', async () => {
    const { viewer } = await account();
    await expect(submitJobs(core, viewer, [])).rejects.toThrow(InvalidInputError);
    const tooMany = Array.from({ length: 1_001 }, () => spec());
    await expect(submitJobs(core, viewer, tooMany)).rejects.toThrow('got 1001');
  });
});

test('what was submitted is what is stored', async () => {
  const { viewer } = await account();
  const full = spec({
    name: 'all of it',
    command: './run',
    arguments: ['--seed', '7', '', 'ünï"code\n'],
    environment: { A: '1', EMPTY: '' },
    sync: {
      before: [{ bucket: 'b', prefix: 'in', localPath: '/in', direction: 'DOWNLOAD', pattern: '*.bin' }],
      after: [{ bucket: 'b', prefix: '', localPath: 'out', direction: 'UPLOAD' }],
    },
    compression: true,
    webhook: 'https://example.test/hook',
    priority: 7,
    labels: { team: 'x' },
    maxFailures: 2,
    maxInterruptions: 0,
    timeoutSeconds: 60,
    heartbeatInterval: 5,
  });
  const [submitted] = await submitJobs(core, viewer, [full]);
  const claimed = await claim(core, viewer);
  expect(claimed.id).toBe(submitted!.id);
  const fields = Object.entries(full).filter(([name]) => name !== 'given');
  expect(claimed).toMatchObject(Object.fromEntries(fields));
  expect(claimed.sync?.before[0]).toMatchObject({ prefix: 'in/', pattern: '*.bin', patternSyntax: null });
});
