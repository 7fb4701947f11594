import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { demandMasterKey, rotateMasterKey } from '../../../core/accounts/master-key.ts';
import { createSecretBox } from '../../../core/accounts/secret-box.ts';
import type { Core } from '../../../core/core.ts';
import { openCore } from '../../../core/open.ts';
import { MASTER_KEY, openTestCore } from '../../support/core.ts';
import { createDatabase } from '../../support/database.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const NEXT = 'the next master key';

/** The same core under other master keys. */
function under(masterKey: string, ...others: string[]): Core {
  return { ...core, secrets: createSecretBox(masterKey, others) };
}

/** As it was sealed before master keys had ids. */
function sealedOfOld(masterKey: string, secret: string): string {
  const key = createHash('sha256').update(`kelpie secret box\0${masterKey}`).digest();
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  return ['v1', ...[nonce, cipher.getAuthTag(), body].map((part) => part.toString('base64'))].join('.');
}

const sealedKeys = async () =>
  (await database.query<{ encrypted: string }>('select encrypted from api_keys order by id')).map(
    ({ encrypted }) => encrypted,
  );

describe('a secret', () => {
  test('is opened by whoever has the key it was sealed under, as the present one or a former one', () => {
    const sealed = createSecretBox(MASTER_KEY).seal('secret');
    expect(createSecretBox(NEXT, ['another', MASTER_KEY]).open(sealed)).toBe('secret');
    expect(() => createSecretBox(NEXT).open(sealed)).toThrow('KELPIE_MASTER_KEYS_OLD');
  });

  test('that was sealed before keys had ids is opened still', () => {
    const sealed = sealedOfOld(MASTER_KEY, 'secret');
    expect(createSecretBox(NEXT, [MASTER_KEY]).open(sealed)).toBe('secret');
    expect(createSecretBox(MASTER_KEY).isFresh(sealed)).toBe(false);
    expect(() => createSecretBox(NEXT).open(sealed)).toThrow('master key');
  });

  test('cannot be passed off as sealed under another key', () => {
    const [one, other] = [createSecretBox(MASTER_KEY), createSecretBox(NEXT, [MASTER_KEY])];
    const [version, , ...rest] = one.seal('secret').split('.');
    const id = other.seal('x').split('.')[1];
    expect(() => other.open([version, id, ...rest].join('.'))).toThrow();
  });
});

describe('a program with another master key', () => {
  test('does not start, and says what to set; with the former key it does', async () => {
    const options = { databaseUrl: database.url, onError: () => undefined };
    await expect(openCore({ ...options, masterKey: NEXT })).rejects.toThrow('KELPIE_MASTER_KEYS_OLD');
    await (await openCore({ ...options, masterKey: NEXT, oldMasterKeys: [MASTER_KEY] })).close();
    await (await openCore({ ...options, masterKey: MASTER_KEY })).close();
  });

  test('is noticed on a database that is older than the proof', async () => {
    await account();
    await database.query('delete from sealed_proof');
    await expect(demandMasterKey(under(NEXT))).rejects.toThrow('KELPIE_MASTER_KEY is not the one');
    expect(await database.query('select 1 from sealed_proof')).toEqual([]);
    await Promise.all(Array.from({ length: 5 }, () => demandMasterKey(core)));
    expect(await database.query('select 1 from sealed_proof')).toHaveLength(1);
  });
});

describe('a rotation', () => {
  test('seals everything anew, once; then the former key is not needed any more', async () => {
    const { viewer } = await account();
    for (let index = 0; index < 5; index++) await account();
    await database.query('insert into webhook_secrets (account_id, sealed, previous) values ($1, $2, $3)', [
      viewer.accountId,
      sealedOfOld(MASTER_KEY, 'signing'),
      core.secrets.seal('signing before'),
    ]);
    const before = await sealedKeys();
    const secrets = before.map((sealed) => core.secrets.open(sealed));
    // Two at once: each secret is sealed anew by one of them.
    const [one, other] = await Promise.all([
      rotateMasterKey(under(NEXT, MASTER_KEY)),
      rotateMasterKey(under(NEXT, MASTER_KEY)),
    ]);
    expect(one.resealed + other.resealed).toBe(before.length + 3);
    const after = await sealedKeys();
    const box = createSecretBox(NEXT);
    expect(after.map((sealed) => box.open(sealed))).toEqual(secrets);
    const [signing] = await database.query<{ sealed: string; previous: string }>('select * from webhook_secrets');
    expect([signing?.sealed, signing?.previous].map((sealed) => box.open(sealed ?? ''))).toEqual([
      'signing',
      'signing before',
    ]);
    expect(await rotateMasterKey(under(NEXT))).toEqual({ resealed: 0, fresh: before.length + 3 });
    await demandMasterKey(under(NEXT));
    await expect(demandMasterKey(core)).rejects.toThrow('KELPIE_MASTER_KEY is not the one');
    expect(await rotateMasterKey(under(MASTER_KEY, NEXT))).toMatchObject({ fresh: 0 });
  });

  test('that meets what it cannot open says which, and leaves the proof', async () => {
    const { viewer } = await account();
    const foreign = createSecretBox('nobody’s master key').seal('lost');
    await database.query('update api_keys set encrypted = $2 where id = $1', [viewer.keyId, foreign]);
    await expect(rotateMasterKey(under(NEXT, MASTER_KEY))).rejects.toThrow(viewer.keyId);
    await demandMasterKey(core);
    await database.query('delete from api_keys where id = $1', [viewer.keyId]);
    await rotateMasterKey(under(MASTER_KEY, NEXT));
  });

  test('goes through more secrets than fit one page', async () => {
    const other = await createDatabase();
    const opened = await openCore({ databaseUrl: other.url, masterKey: MASTER_KEY, onError: () => undefined });
    try {
      await other.query(
        `with a as (insert into accounts (username) values ('many') returning id)
         insert into api_keys (account_id, hash, encrypted, role)
         select a.id, 'hash ' || n, $1, 'VIEWER' from a, generate_series(1, 1200) n`,
        [opened.secrets.seal('secret')],
      );
      const rotated = { ...opened, secrets: createSecretBox(NEXT, [MASTER_KEY]) };
      expect(await rotateMasterKey(rotated)).toEqual({ resealed: 1_201, fresh: 0 });
    } finally {
      await opened.close();
      await other.drop();
    }
  });
});
