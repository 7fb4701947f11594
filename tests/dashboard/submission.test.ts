import { expect, test } from 'vitest';
import { draftOf, EMPTY_DRAFT, fitsDraft, inputOf } from '../../dashboard/live/submission.ts';

const entry = { bucket: 'b', prefix: 'p/', localPath: 'l', pattern: '*.pt', patternSyntax: 'GLOB' } as const;
const job = {
  ...{ name: 'n', command: 'python', arguments: ['a b', '--c=d'], environment: { A: 'x=y', EMPTY: '' }, priority: -3 },
  ...{ containerGroupId: 'g', labels: { l: 'v' }, compression: true, webhook: 'https://example.com/', maxFailures: 2 },
  ...{ heartbeatInterval: 30, maxInterruptions: 4, timeoutSeconds: 60, stallTimeoutSeconds: null, legacySync: null },
  sync: {
    before: [{ ...entry, direction: 'DOWNLOAD' as const }],
    during: [],
    after: [{ ...entry, direction: 'UPLOAD' as const }],
  },
};

test('a copy says what the original said', () => {
  expect(inputOf(draftOf(job))).toEqual({ ...job, legacySync: undefined });
});

test('what cannot be told by lines is noticed', () => {
  expect(fitsDraft(job)).toBe(true);
  expect(fitsDraft({ ...job, arguments: ['two\nlines'] })).toBe(false);
  expect(fitsDraft({ ...job, arguments: [''] })).toBe(false);
  expect(fitsDraft({ ...job, environment: { A: '\n' } })).toBe(false);
});

test('an empty form leaves everything to the server', () => {
  const {
    command,
    containerGroupId,
    arguments: given,
    compression,
    environment,
    labels,
    ...rest
  } = inputOf(EMPTY_DRAFT);
  expect([command, containerGroupId, given, compression, environment, labels]).toEqual(['', '', [], false, {}, {}]);
  expect(Object.values(rest).every((value) => value === null)).toBe(true);
});
