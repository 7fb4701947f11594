import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { warnOfWeakKeys, weaknessOf } from '../../server/weak-keys.ts';

describe('a key that can be tried out on a copy of the database', () => {
  test.each([
    ['is short', 'kelpie-compose-master-key', '25 characters'],
    ['is one character again and again', 'a'.repeat(64), 'different'],
    ['is a few characters again and again', 'abc-123!'.repeat(5), 'different'],
    ['is made of words', 'correct horse battery staple and so on', 'words'],
    ['is made of words with capitals', 'Correct-Horse-BATTERY-Staple-And-So-On', 'words'],
  ])('is told of when it %s', (_, key, reason) => {
    const told: string[] = [];
    const log = { warn: (fields: object, message: string) => void told.push(`${JSON.stringify(fields)} ${message}`) };
    warnOfWeakKeys({ KELPIE_MASTER_KEY: key, KELPIE_ADMIN_KEY: undefined }, log);
    warnOfWeakKeys({ KELPIE_MASTER_KEY: undefined, KELPIE_ADMIN_KEY: key }, log);
    expect(told).toEqual([
      expect.stringMatching(/KELPIE_MASTER_KEY could be guessed.*openssl rand -base64 32/),
      expect.stringMatching(/KELPIE_ADMIN_KEY could be guessed.*openssl rand -base64 32/),
    ]);
    for (const text of told) {
      expect(text).toContain(reason);
      expect(text).not.toContain(key);
    }
  });

  test('is not told of when it is random, however it is written', () => {
    for (let round = 0; round < 50; round += 1) {
      const keys = [
        randomBytes(32).toString('base64'),
        randomBytes(24).toString('base64url'),
        randomBytes(24).toString('hex'),
        `kelpie_${randomBytes(24).toString('base64url')}`,
        randomUUID(),
      ];
      for (const key of keys) expect([key, weaknessOf(key)]).toEqual([key, undefined]);
    }
  });
});
