import { afterAll, describe, expect, test } from 'vitest';
import { ForbiddenError, InvalidInputError, RateLimitedError, UnauthenticatedError } from '../../core/errors.ts';
import { createDoor } from '../../server/auth.ts';
import { presentedIn, readerOf, type Taken } from '../../server/credentials.ts';
import { createRates } from '../../server/rate.ts';
import { openTestCore } from '../support/core.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const door = createDoor({ core });
const withKey = (key: string | null | undefined) => (name: string) => (name === 'X-Kelpie-Key' ? key : undefined);

describe('who asks', () => {
  test('is the viewer behind the key', async () => {
    const { secret, viewer } = await account('SUBMITTER');
    expect(await door.viewerOf(withKey(secret), undefined)).toEqual(viewer);
  });

  test.each([null, undefined, ''])('is unauthenticated with %j for a key', async (key) => {
    await expect(door.viewerOf(withKey(key), undefined)).rejects.toThrow(UnauthenticatedError);
    await expect(door.viewerOf(withKey(key), undefined)).rejects.toThrow('X-Kelpie-Key');
  });

  test('is forbidden with a key that is unknown, revoked or expired, and the three look the same', async () => {
    const [revoked, expired] = [await account(), await account()];
    await database.query('update api_keys set revoked_at = now() where id = $1', [revoked.viewer.keyId]);
    await database.query(`update api_keys set expires_at = now() - interval '1 s' where id = $1`, [
      expired.viewer.keyId,
    ]);
    const messages = new Set<string>();
    for (const key of ['unknown', revoked.secret, expired.secret]) {
      const error: unknown = await door.viewerOf(withKey(key), undefined).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ForbiddenError);
      if (error instanceof Error) {
        messages.add(error.message);
        expect(error.message).not.toContain(key.slice(0, 12) === 'unknown' ? 'key unknown' : key);
      }
    }
    expect(messages.size).toBe(1);
  });
});

test('Salad is not asked for one who makes keys up, and goes on to be asked about those that were good', async () => {
  const asked: string[] = [];
  const project = {
    allows: async ({ apiKey }: { apiKey: string }) => {
      asked.push(apiKey);
      return apiKey === 'good';
    },
  };
  const rates = createRates({ perKey: 0, refusalsPerAddress: 3 });
  const guarded = createDoor({ core, salad: { project }, rates });
  const present = (apiKey: string, address: string) =>
    guarded.viewerOf(
      readerOf({ 'Salad-Api-Key': apiKey, 'Salad-Organization': 'acme', 'Salad-Project': 'training' }),
      address,
    );
  const good = await present('good', 'shared');
  for (let index = 0; index < 3; index++) {
    await expect(present(`made up ${index}`, 'shared')).rejects.toThrow(ForbiddenError);
  }
  await expect(present('made up again', 'shared')).rejects.toThrow(RateLimitedError);
  expect(await present('good', 'shared')).toMatchObject({ accountId: good.accountId });
  await expect(present('made up again', 'elsewhere')).rejects.toThrow(ForbiddenError);
  expect(asked).toEqual(['good', 'made up 0', 'made up 1', 'made up 2', 'good', 'made up again']);
});

describe('what is presented', () => {
  const all = { saladKey: true, saladToken: true };
  const none = { saladKey: false, saladToken: false };
  const key = { 'X-Kelpie-Key': 'k' };
  const saladKey = { 'Salad-Api-Key': 's', 'Salad-Organization': 'Acme', 'Salad-Project': 'training' };
  const token = { Authorization: 'Bearer a.b.c', 'Salad-Project': 'training' };
  const presented = (headers: Record<string, unknown>, taken: Taken = all) => presentedIn(readerOf(headers), taken);

  test('is of one of three kinds, whatever the case of the names', () => {
    const lower = Object.fromEntries(Object.entries(saladKey).map(([name, value]) => [name.toLowerCase(), value]));
    const of = { kind: 'saladKey', apiKey: 's', organization: 'acme', project: 'training' };
    expect(presented(key)).toEqual({ kind: 'key', key: 'k' });
    expect(presented(saladKey)).toEqual(of);
    expect(presented(lower)).toEqual(of);
    expect(presented(token)).toEqual({ kind: 'saladToken', token: 'a.b.c', project: 'training' });
    expect(presented({ ...token, Authorization: 'bearer   a.b.c' })).toMatchObject({ token: 'a.b.c' });
  });

  test.each([
    [{ ...key, ...saladKey }, ['X-Kelpie-Key', 'Salad-Api-Key']],
    [{ ...key, ...token }, ['X-Kelpie-Key', 'Authorization']],
    [{ ...saladKey, ...token }, ['Salad-Api-Key', 'Authorization']],
  ])('is refused when it is of several kinds: %j', (headers, names) => {
    expect(() => presented(headers)).toThrow(InvalidInputError);
    for (const name of names) expect(() => presented(headers)).toThrow(name);
  });

  test('is not looked at where that kind is not taken', () => {
    expect(presented({ ...key, ...saladKey, ...token }, none)).toEqual({ kind: 'key', key: 'k' });
    expect(() => presented({ ...saladKey, ...token }, none)).toThrow(UnauthenticatedError);
    expect(() => presented(saladKey, none)).not.toThrow('Salad');
  });

  test('may have the password of a proxy beside it', () => {
    expect(presented({ ...key, Authorization: 'Basic dXNlcjpwYXNz' })).toEqual({ kind: 'key', key: 'k' });
  });

  test.each([
    ['Salad-Organization', { ...saladKey, 'Salad-Organization': undefined }],
    ['Salad-Project', { ...saladKey, 'Salad-Project': '' }],
    ['Salad-Project', { ...token, 'Salad-Project': 7 }],
  ])('names what is missing: %s', (name, headers) => {
    expect(() => presented(headers)).toThrow(UnauthenticatedError);
    expect(() => presented(headers)).toThrow(name);
  });

  test.each(['..', 'a/b', 'a%2fb', 'a b', 'ä', 'a\n', '\u212A', 'x'.repeat(64), '?', '#'])(
    'has no names like %j',
    (name) => {
      expect(() => presented({ ...saladKey, 'Salad-Organization': name })).toThrow(InvalidInputError);
      expect(() => presented({ ...token, 'Salad-Project': name })).toThrow(InvalidInputError);
    },
  );
});
