import { describe, expect, test } from 'vitest';
import { readConfig } from '../../server/config.ts';
import { defaultLimits } from '../../server/limits.ts';

const masterKey = 'sixteen characters';

describe('the server’s configuration', () => {
  test('needs nothing: every variable has a default or may be absent', () => {
    expect(readConfig({})).toMatchObject({
      KELPIE_HOST: '127.0.0.1',
      KELPIE_PORT: 4000,
      KELPIE_DATA_DIR: '.kelpie',
      KELPIE_LOG_LEVEL: 'info',
    });
  });

  test('takes an empty variable for an absent one', () => {
    expect(readConfig({ KELPIE_PORT: '', DATABASE_URL: '', KELPIE_ADMIN_KEY: '' })).toEqual(readConfig({}));
  });

  test('reads numbers from texts', () => {
    expect(readConfig({ KELPIE_PORT: '0', KELPIE_DATABASE_CONNECTIONS: '25' })).toMatchObject({
      KELPIE_PORT: 0,
      KELPIE_DATABASE_CONNECTIONS: 25,
    });
  });

  test('believes Salad only where it is told to, over lines that nobody listens on', () => {
    expect(readConfig({}).KELPIE_SALAD_API_URL).toBeUndefined();
    expect(readConfig({}).KELPIE_SALAD_JWKS_URL).toBeUndefined();
    expect(readConfig({ KELPIE_SALAD_API_URL: 'https://api.example.test/public//' })).toMatchObject({
      KELPIE_SALAD_API_URL: 'https://api.example.test/public',
    });
    for (const url of ['http://127.0.0.1:8080/keys', 'http://localhost/keys', 'http://[::1]/keys']) {
      expect(readConfig({ KELPIE_SALAD_JWKS_URL: url }).KELPIE_SALAD_JWKS_URL).toBe(url);
    }
  });

  test('bounds how often may be asked, unless it is told otherwise', () => {
    expect(readConfig({})).toMatchObject({ KELPIE_RATE_PER_KEY: 200, KELPIE_REFUSALS_PER_ADDRESS: 20 });
    expect(readConfig({ KELPIE_RATE_PER_KEY: '0' }).KELPIE_RATE_PER_KEY).toBe(0);
  });

  test('bounds what one client may ask for, unless it is told otherwise', () => {
    expect(readConfig({})).toMatchObject(defaultLimits);
    expect(readConfig({ KELPIE_MAX_QUERY_DEPTH: '20' }).KELPIE_MAX_QUERY_DEPTH).toBe(20);
    expect(() => readConfig({ KELPIE_MAX_NODES: '0' })).toThrow('KELPIE_MAX_NODES');
  });

  test('turns introspection and GraphiQL off where it is told to', () => {
    expect(readConfig({})).toMatchObject({ KELPIE_INTROSPECTION: true, KELPIE_GRAPHIQL: true });
    expect(readConfig({ KELPIE_GRAPHIQL: 'false' }).KELPIE_GRAPHIQL).toBe(false);
    expect(() => readConfig({ KELPIE_INTROSPECTION: 'no' })).toThrow('KELPIE_INTROSPECTION');
  });

  test('takes former master keys as a list', () => {
    expect(readConfig({}).KELPIE_MASTER_KEYS_OLD).toEqual([]);
    expect(readConfig({ KELPIE_MASTER_KEYS_OLD: 'one, other,' }).KELPIE_MASTER_KEYS_OLD).toEqual(['one', 'other']);
  });

  test('wants a master key with a database of the operator’s own', () => {
    const database = { DATABASE_URL: 'postgres://user:password@db.example.test:5432/kelpie' };
    expect(() => readConfig(database)).toThrow('KELPIE_MASTER_KEY');
    expect(readConfig({ ...database, KELPIE_MASTER_KEY: masterKey })).toMatchObject(database);
  });

  test.each([
    ['KELPIE_PORT', '65536'],
    ['KELPIE_PORT', 'http'],
    ['KELPIE_DATABASE_CONNECTIONS', '1'],
    ['KELPIE_LOG_BYTES', '524287'],
    ['DATABASE_URL', 'mysql://db.example.test/kelpie'],
    ['DATABASE_URL', 'db.example.test'],
    ['KELPIE_MASTER_KEY', 'short'],
    ['KELPIE_ADMIN_KEY', 'short'],
    ['KELPIE_LOG_LEVEL', 'loud'],
    ['KELPIE_RATE_PER_KEY', '-1'],
    ['KELPIE_REFUSALS_PER_ADDRESS', '1.5'],
    ['KELPIE_TRUSTED_PROXIES', '11'],
    ['KELPIE_SALAD_API_URL', 'http://api.example.test/public'],
    ['KELPIE_SALAD_API_URL', 'https://user:password@api.example.test'],
    ['KELPIE_SALAD_API_URL', 'api.example.test'],
    ['KELPIE_SALAD_JWKS_URL', 'ftp://api.example.test/keys.json'],
    ['KELPIE_SALAD_JWKS_URL', 'http://localhost.example.test/keys.json'],
  ])('refuses %s=%s by name', (name, value) => {
    expect(() => readConfig({ KELPIE_MASTER_KEY: masterKey, [name]: value })).toThrow(name);
  });

  test('tells every fault at once', () => {
    const broken = {
      KELPIE_PORT: '-1',
      KELPIE_LOG_LEVEL: 'loud',
      KELPIE_ADMIN_KEY: 'short',
      DATABASE_URL: 'postgres://db.example.test/kelpie',
    };
    for (const name of ['KELPIE_PORT', 'KELPIE_LOG_LEVEL', 'KELPIE_ADMIN_KEY', 'KELPIE_MASTER_KEY']) {
      expect(() => readConfig(broken)).toThrow(name);
    }
  });

  test('says what it expected and what came, without a secret in the wrong place', () => {
    const wrong = { KELPIE_PORT: 'abc', KELPIE_MAX_TOKENS: 'x', KELPIE_LOG_LEVEL: 'loud', KELPIE_PROVIDER: masterKey };
    expect(() => readConfig(wrong)).toThrow(
      [
        '  KELPIE_PORT: expected a whole number from 0 to 65535, got "abc"',
        '  KELPIE_MAX_TOKENS: expected a whole number from 1 to 2147483647, got "x"',
        '  KELPIE_PROVIDER: expected one of salad, kubernetes, none, got a text of 18 characters',
        '  KELPIE_LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent, got "loud"',
      ].join('\n'),
    );
  });

  test('never repeats a secret in its complaints', () => {
    const secret = { KELPIE_ADMIN_KEY: 'hush', DATABASE_URL: 'postgress://user:hush@db/kelpie' };
    let told = '';
    try {
      readConfig(secret);
    } catch (error) {
      told = String(error);
    }
    expect(told).toContain('KELPIE_ADMIN_KEY');
    expect(told).not.toContain('hush');
  });
});
