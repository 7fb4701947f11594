import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { causeOf, scrubbed } from '../../../agent/sync/cause.ts';
import { createFailing } from '../../../agent/sync/failing.ts';
import { warningOf } from '../../../agent/sync/warning.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

describe('failing uploads', () => {
  test('are worth a warning after three failures in a row of one file', () => {
    const failing = createFailing();
    failing.failed('a', 'one', 0);
    failing.failed('b', 'one', 0);
    failing.failed('a', 'two', 1);
    expect(failing.trouble(10)).toBeUndefined();
    failing.failed('a', 'three', 2);
    expect(failing.trouble(10)).toEqual({ since: 0, why: 'three' });
  });

  test('are worth one when a file has failed for longer than half a minute', () => {
    const failing = createFailing();
    failing.failed('a', 'denied', 0);
    expect(failing.trouble(30 * SECOND)).toBeUndefined();
    expect(failing.trouble(30 * SECOND + 1)).toEqual({ since: 0, why: 'denied' });
  });

  test('are forgotten when something of the file arrives, and when it is not to be published any more', () => {
    const failing = createFailing();
    for (const id of ['a', 'b']) for (const at of [1, 2, 3]) failing.failed(id, 'down', at);
    failing.worked('a');
    expect(failing.trouble(4)).toEqual({ since: 1, why: 'down' });
    failing.keep(new Set(['a']));
    expect(failing.trouble(4)).toBeUndefined();
    failing.failed('a', 'down', 5);
    expect(failing.trouble(6)).toBeUndefined();
  });
});

describe('the warning', () => {
  const hindrance = { trouble: { since: 0, why: '503 SlowDown from s3.example' }, mirrors: true, hasEnded: false };

  test('says what fails, for how long, and what is safe', () => {
    expect(warningOf({ ...hindrance, now: 2 * MINUTE, savedAt: -2 * MINUTE })).toBe(
      'Uploads keep failing for 2 min: 503 SlowDown from s3.example; the command goes on, its newest checkpoint is 4 min old',
    );
    expect(warningOf({ ...hindrance, now: 45 * SECOND, savedAt: undefined })).toBe(
      'Uploads keep failing for 40 s: 503 SlowDown from s3.example; the command goes on, it has saved no checkpoint here yet',
    );
    expect(warningOf({ ...hindrance, now: 50 * MINUTE, savedAt: 0, mirrors: false, hasEnded: true })).toBe(
      'Uploads keep failing for 50 min: 503 SlowDown from s3.example; the command has ended, and its job is not complete before they work',
    );
  });

  test('is of the length that is stored, and changes seldom', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), fc.nat(10 ** 10), (why, now) => {
        const text = warningOf({ ...hindrance, trouble: { since: 0, why }, now, savedAt: 0 });
        expect(text.length).toBeLessThanOrEqual(500);
        expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
      }),
    );
    const times = Array.from({ length: 24 * 360 }, (_, index) => index * 10 * SECOND);
    const texts = new Set(times.map((now) => warningOf({ ...hindrance, now, savedAt: 0 })));
    expect(texts.size).toBeLessThan(50);
  });
});

describe('the cause', () => {
  test('of an answer is its status, its code, and from where', () => {
    const error = Object.assign(new Error('x-amz-security-token: abc'), { name: 'SlowDown' });
    expect(causeOf(Object.assign(error, { $metadata: { httpStatusCode: 503 } }), 's3.example')).toBe(
      '503 SlowDown from s3.example',
    );
  });

  test('of a connection is what went wrong with it', () => {
    expect(causeOf(new Error('connect ECONNREFUSED 127.0.0.1:9'), 's3.example')).toBe(
      'connect ECONNREFUSED 127.0.0.1:9 (s3.example)',
    );
  });

  test.each([
    [
      'getting https://me:s3cret@store.example/b/k?X-Amz-Signature=s3cret failed',
      'getting https://store.example/b/k failed',
    ],
    ['PUT /bucket/key?X-Amz-Credential=s3cret&x=1', 'PUT /bucket/key'],
    ['headers: Authorization: s3cret, x-amz-security-token=s3cret;', 'headers: … …'],
    ['no such key AKIAABCDEFGHIJKLMNOP here', 'no such key … here'],
    ['two\nlines', 'two lines'],
  ])('of %j shows no secret', (message, shown) => {
    expect(scrubbed(message)).toBe(shown);
  });
});
