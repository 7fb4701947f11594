import { afterAll, describe, expect, test } from 'vitest';
import { ForbiddenError, UnauthenticatedError } from '../../core/errors.ts';
import { viewerOf } from '../../server/auth.ts';
import { openTestCore } from '../support/core.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

describe('who asks', () => {
  test('is the viewer behind the key', async () => {
    const { secret, viewer } = await account('SUBMITTER');
    expect(await viewerOf(core, secret)).toEqual(viewer);
  });

  test.each([null, undefined, ''])('is unauthenticated with %j for a key', async (key) => {
    await expect(viewerOf(core, key)).rejects.toThrow(UnauthenticatedError);
    await expect(viewerOf(core, key)).rejects.toThrow('X-Kelpie-Key');
  });

  test('is forbidden with a key that is unknown, revoked or expired, and the three look the same', async () => {
    const [revoked, expired] = [await account(), await account()];
    await database.query('update api_keys set revoked_at = now() where id = $1', [revoked.viewer.keyId]);
    await database.query(`update api_keys set expires_at = now() - interval '1 s' where id = $1`, [
      expired.viewer.keyId,
    ]);
    const messages = new Set<string>();
    for (const key of ['unknown', revoked.secret, expired.secret]) {
      const error: unknown = await viewerOf(core, key).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(ForbiddenError);
      if (error instanceof Error) {
        messages.add(error.message);
        expect(error.message).not.toContain(key.slice(0, 12) === 'unknown' ? 'key unknown' : key);
      }
    }
    expect(messages.size).toBe(1);
  });
});
