import { describe, expect, test } from 'vitest';
import { type FeedEvent, type JobRow, rowAfter } from '../../dashboard/live/job-rows.ts';
import { createRowBook } from '../../dashboard/live/row-book.ts';

const job = (id: string, second: number, part: Partial<JobRow> = {}): JobRow => ({
  ...{ id, name: id, command: 'true', arguments: [], status: 'PENDING', containerGroupId: 'group', labels: {} },
  ...{ priority: 0, machineId: null, startedAt: null, completedAt: null, canceledAt: null, failedAt: null },
  ...{ numFailures: 0, numInterruptions: 0, progress: null, attempt: null },
  createdAt: new Date(second * 1_000).toISOString(),
  ...part,
});
const event = (jobId: string, type: FeedEvent['type'], data: Record<string, unknown> = {}): FeedEvent => ({
  ...{ cursor: 'c', jobId, type, data, attempt: 1, at: '2026-01-01T00:00:00.000Z' },
});
const all = { hasOlder: false, fits: () => true };
const ids = (book: ReturnType<typeof createRowBook>): string =>
  book
    .rows()
    .map(({ id }) => id)
    .join(' ');

describe('a row after an event', () => {
  test('goes through a life as the job does', () => {
    const story = [
      event('a', 'CLAIMED', { machineId: 'm' }),
      event('a', 'PHASE_CHANGED', { phase: 'RUNNING' }),
      event('a', 'PROGRESSED', { fraction: 0.5, message: 'half' }),
    ];
    const running = story.reduce(rowAfter, job('a', 1));
    expect(running).toMatchObject({
      ...{ status: 'RUNNING', machineId: 'm', startedAt: '2026-01-01T00:00:00.000Z' },
      ...{ attempt: { number: 1, phase: 'RUNNING' }, progress: { fraction: 0.5, message: 'half' } },
    });
    expect(rowAfter(running, event('a', 'ATTEMPT_ENDED', { outcome: 'LOST', status: 'PENDING' }))).toMatchObject({
      status: 'PENDING',
      attempt: { phase: null },
    });
    expect(rowAfter(running, event('a', 'COMPLETED'))).toMatchObject({ status: 'COMPLETED' });
    expect(rowAfter(rowAfter(running, event('a', 'FAILED')), event('a', 'RETRIED'))).toMatchObject({
      status: 'PENDING',
      failedAt: null,
    });
  });

  test('believes nothing that has not the form it should have', () => {
    const row = job('a', 1, { attempt: { number: 1, phase: 'RUNNING' } });
    expect(rowAfter(row, event('a', 'PROGRESSED', { fraction: '1', message: {} })).progress).toEqual({
      fraction: null,
      message: null,
    });
    expect(rowAfter(row, event('a', 'PHASE_CHANGED', { phase: 'DANCING' })).attempt?.phase).toBeNull();
    expect(rowAfter(row, event('a', 'ATTEMPT_ENDED', { status: 'ODD' })).status).toBe('PENDING');
  });
});

describe('a book of rows', () => {
  test('keeps the newest first, whatever comes when', () => {
    const book = createRowBook();
    book.append([job('d', 40), job('b', 20)]);
    book.put([job('e', 50), job('c', 30), job('a', 10)], all);
    expect(ids(book)).toBe('e d c b a');
  });

  test('keeps the order of a batch, whose jobs share their time', () => {
    const book = createRowBook();
    book.append([job('old', 1)]);
    book.put([job('c', 5), job('b', 5), job('a', 5)], all);
    expect(ids(book)).toBe('c b a old');
  });

  test('leaves to a later page what belongs there', () => {
    const book = createRowBook();
    book.append([job('c', 30), job('b', 20)]);
    book.put([job('a', 10)], { ...all, hasOlder: true });
    expect(ids(book)).toBe('c b');
    book.append([job('a', 10)]);
    expect(ids(book)).toBe('c b a');
  });

  test('a page that has a row already neither doubles it nor keeps the old state', () => {
    const book = createRowBook();
    book.append([job('a', 10)]);
    book.append([job('a', 10, { status: 'RUNNING' })]);
    expect(book.rows()).toMatchObject([{ id: 'a', status: 'RUNNING' }]);
  });

  test('lets go of what no longer fits, and of the oldest when there are too many', () => {
    const book = createRowBook();
    const fits = (status: JobRow['status']) => status === 'PENDING';
    book.append([job('c', 30), job('b', 20), job('a', 10)]);
    book.change(event('b', 'CLAIMED', { machineId: 'm' }), fits);
    expect(ids(book)).toBe('c a');
    book.put([job('c', 30, { status: 'FAILED' })], { hasOlder: false, fits });
    expect(ids(book)).toBe('a');
    book.append([job('z', 1)]);
    expect([book.trim(1), book.trim(1), ids(book), book.has('z')]).toEqual([true, false, 'a', false]);
  });
});
