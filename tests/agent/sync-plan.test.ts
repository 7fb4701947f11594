import { expect, test } from 'vitest';
import type { SyncInstruction } from '../../agent/sync/attempt-sync.ts';
import { syncPlanOf } from '../../agent/sync-plan.ts';

const places = { input: '/in', checkpoint: '/check', output: '/out' };
const buckets = {
  inputBucket: 'i',
  inputPrefix: 'data/',
  checkpointBucket: 'c',
  checkpointPrefix: '',
  outputBucket: 'o',
  outputPrefix: 'run/1/',
};

test('a job without sync moves nothing', () => {
  expect(syncPlanOf({ sync: null, legacySync: null }, places)).toEqual({ before: [], during: [], after: [] });
});

test('a job’s own instructions are taken as they are', () => {
  const entry = {
    bucket: 'b',
    prefix: 'p/',
    localPath: 'x',
    direction: 'DOWNLOAD',
    pattern: '*.bin',
    patternSyntax: 'GLOB',
  } as const;
  const sync = { before: [entry], during: [], after: [] };
  expect(syncPlanOf({ sync, legacySync: null }, places)).toEqual(sync);
});

test('of the three buckets input comes first, checkpoints both ways, and output is there at the end', () => {
  const { before, during, after } = syncPlanOf({ sync: null, legacySync: buckets }, places);
  const told = (entries: SyncInstruction[]) =>
    entries.map(({ bucket, prefix, direction, localPath }) => `${direction} ${bucket}/${prefix} ${localPath}`);
  expect({ before: told(before), during: told(during), after: told(after) }).toEqual({
    before: ['DOWNLOAD i/data/ /in', 'DOWNLOAD c/ /check'],
    during: ['UPLOAD c/ /check', 'UPLOAD o/run/1/ /out'],
    after: ['UPLOAD o/run/1/ /out'],
  });
  const everything = [...before, ...during, ...after];
  expect(everything.every((entry) => entry.pattern === null && entry.patternSyntax === null)).toBe(true);
});
