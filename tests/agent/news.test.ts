import { beforeEach, expect, test } from 'vitest';
import { createNews, type News, totalsOf } from '../../agent/news.ts';
import type { SyncState } from '../../agent/sync/observation.ts';

let present: SyncState;
let time: number;
let news: News;

beforeEach(() => {
  time = 0;
  present = {
    counts: { bytesDownloaded: 1, bytesUploaded: 2, filesDownloaded: 3, filesUploaded: 4 },
    transfer: undefined,
    checkpoints: { files: 0, bytes: 0, newestKeys: [] },
    lagSeconds: 0,
    warning: undefined,
  };
  news = createNews(
    () => present,
    () => time,
  );
});

const saved = (files: number) => ({ files, bytes: files, newestKeys: [`key-${files}`] });
const transfer = { filesDone: 1, filesTotal: 2, bytesDone: 10, bytesTotal: 20, bytesPerSecond: 5 };

test('a quiet sync has nothing to say but its totals', () => {
  expect(news.isDue()).toBe(false);
  expect(news.take()).toEqual({
    ...{
      bytesDownloaded: '1',
      bytesUploaded: '2',
      filesDownloaded: 3,
      filesUploaded: 4,
      syncLagSeconds: 0,
      warning: null,
    },
  });
});

test.each<[string, Partial<SyncState>]>([
  ['a checkpoint', { checkpoints: saved(1) }],
  ['a warning', { warning: 'Uploads keep failing' }],
  ['a transfer that moves', { transfer }],
  ['a lag that is worth telling', { lagSeconds: 10 }],
])('%s is due until the server has acknowledged it', (_name, part) => {
  present = { ...present, ...part };
  expect(news.isDue()).toBe(true);
  const tidings = news.take();
  expect(news.isDue()).toBe(true);
  news.told(tidings);
  expect(news.isDue()).toBe(false);
});

test('that a warning or a lag is over is due as well', () => {
  present = { ...present, warning: 'x', lagSeconds: 30 };
  news.told(news.take());
  present = { ...present, warning: undefined };
  expect(news.isDue()).toBe(true);
  news.told(news.take());
  present = { ...present, lagSeconds: 0 };
  expect(news.isDue()).toBe(true);
  news.told(news.take());
  expect(news.isDue()).toBe(false);
});

test('checkpoints are said at most once a second, however urgent the heartbeats are', () => {
  present = { ...present, checkpoints: saved(1) };
  const first = news.take();
  expect(first.checkpoints).toEqual({ files: 1, bytes: '1', newestKeys: ['key-1'] });
  news.told(first);
  present = { ...present, checkpoints: saved(2) };
  time = 999;
  const soon = news.take();
  expect(soon).not.toHaveProperty('checkpoints');
  news.told(soon);
  expect(news.isDue()).toBe(true);
  time = 1000;
  expect(news.take().checkpoints?.files).toBe(2);
});

test('an ending says all that was saved, told or not', () => {
  present = { ...present, checkpoints: saved(2) };
  news.told(news.take());
  expect(totalsOf(present).checkpoints).toEqual({ files: 2, bytes: '2', newestKeys: ['key-2'] });
});

test('where nothing is synced during the command there is no lag', () => {
  present = { ...present, lagSeconds: null };
  expect(news.take()).not.toHaveProperty('syncLagSeconds');
});
