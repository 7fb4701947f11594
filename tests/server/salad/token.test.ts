import { generateKeyPair, importJWK, SignJWT, exportSPKI, UnsecuredJWT, type CryptoKey } from 'jose';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ForbiddenError, UnavailableError } from '../../../core/errors.ts';
import { createTokenCheck } from '../../../server/salad/token.ts';
import { instanceClaims, startSaladKeys } from '../../support/salad.ts';
import { until } from '../../support/until.ts';

const keys = await startSaladKeys();
afterAll(() => keys.close());
afterEach(() => (keys.answer = undefined));

const check = createTokenCheck({ jwksUrl: keys.url, issuer: 'https://salad.example', audience: 'kelpie' });
const ours = { iss: 'https://salad.example', aud: 'kelpie' };
const kid = keys.publicJwk.kid!;

/** What a token says between its dots, changed without signing anew. */
function tampered(token: string, change: object): string {
  const [head, body, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(body!, 'base64url').toString()) as object;
  return [head, Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url'), signature].join('.');
}

const payload = () => ({ ...instanceClaims, ...ours, exp: Math.floor(Date.now() / 1_000) + 300 });

test('a token of Salad says which machine of which organization asks', async () => {
  const exp = Math.floor(Date.now() / 1_000) + 300;
  expect(await check.verify(await keys.token({ ...ours, salad_organization_name: 'Acme' }, { expires: exp }))).toEqual({
    organization: 'acme',
    organizationId: instanceClaims.salad_organization_id,
    containerGroupId: 'group',
    machineId: 'machine',
    expiresAt: exp * 1_000,
  });
});

describe('a token is refused', () => {
  const forged: [string, () => Promise<string> | string][] = [
    ['that is none', () => 'nonsense'],
    ['that is empty between the dots', () => '..'],
    ['without a signature (alg none)', () => new UnsecuredJWT(payload()).encode()],
    [
      'signed with the public key as a shared secret (HS256)',
      async () => {
        const secret = await exportSPKI((await importJWK(keys.publicJwk, 'RS256', { extractable: true })) as CryptoKey);
        return new SignJWT(payload()).setProtectedHeader({ alg: 'HS256', kid }).sign(new TextEncoder().encode(secret));
      },
    ],
    [
      'signed by somebody else under the same key id',
      async () => keys.token(ours, { key: (await generateKeyPair('RS256')).privateKey }),
    ],
    [
      'signed by the key that it brings along',
      async () => {
        const { privateKey } = await generateKeyPair('RS256');
        const jwk = { kty: 'RSA', n: keys.publicJwk.n!, e: 'AQAB' };
        return new SignJWT(payload()).setProtectedHeader({ alg: 'RS256', kid: 'mine', jwk }).sign(privateKey);
      },
    ],
    ['of an unknown key id', () => keys.token(ours, { kid: 'unknown' })],
    ['that is over', () => keys.token(ours, { expires: Math.floor(Date.now() / 1_000) - 60 })],
    ['that is never over', () => keys.token(ours, { expires: null })],
    ['that is over at a time that is none', () => keys.token({ ...ours, exp: 'never' as never }, { expires: null })],
    ['that begins later', () => keys.token({ ...ours, nbf: Math.floor(Date.now() / 1_000) + 60 })],
    ['of another issuer', () => keys.token({ ...ours, iss: 'https://elsewhere.example' })],
    ['for another audience', () => keys.token({ ...ours, aud: 'others' })],
    ['for nobody in particular', () => keys.token({ iss: ours.iss })],
    ['that was changed after it was signed', async () => tampered(await keys.token(ours), { salad_machine_id: 'x' })],
    ['whose signature is cut', async () => (await keys.token(ours)).slice(0, -2)],
    ['that is too long', () => keys.token({ ...ours, more: 'x'.repeat(10_000) })],
    ...Object.keys(instanceClaims).map((claim): (typeof forged)[number] => [
      `without ${claim}`,
      () => keys.token({ ...ours, [claim]: undefined }),
    ]),
    ['whose organization is no name', () => keys.token({ ...ours, salad_organization_name: '../other' })],
    ['whose organization only looks like one', () => keys.token({ ...ours, salad_organization_name: 'acme\u212A' })],
    ['whose machine is no text', () => keys.token({ ...ours, salad_machine_id: 7 })],
    ['whose machine cannot be stored', () => keys.token({ ...ours, salad_machine_id: 'a\0b' })],
  ];

  test.each(forged)('%s', async (_what, make) => {
    const token = await make();
    const error: unknown = await check.verify(token).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ForbiddenError);
    if (token.length > 40) expect(String(error)).not.toContain(token.slice(-40));
  });
});

test('neither issuer nor audience is asked for where none is configured', async () => {
  const lenient = createTokenCheck({ jwksUrl: keys.url });
  await expect(lenient.verify(await keys.token())).resolves.toMatchObject({ organization: 'acme' });
});

describe('Salad’s keys', () => {
  test('are fetched once, by however many, and not again for unknown key ids', async () => {
    const before = keys.fetched;
    const fresh = createTokenCheck({ jwksUrl: keys.url });
    const token = await keys.token();
    await Promise.all(Array.from({ length: 20 }, () => fresh.verify(token)));
    for (let index = 0; index < 20; index++) {
      await expect(fresh.verify(await keys.token({}, { kid: `unknown-${index}` }))).rejects.toThrow(ForbiddenError);
    }
    expect(keys.fetched - before).toBe(1);
  });

  test.each<[string, NonNullable<typeof keys.answer>]>([
    ['an error', (_request, response) => response.writeHead(500).end()],
    ['a page', (_request, response) => response.writeHead(200).end('<html></html>')],
    ['something else', (_request, response) => response.writeHead(200).end('{"keys": "none"}')],
    ['a redirect', (_request, response) => response.writeHead(302, { Location: '/elsewhere' }).end()],
    ['too much', (_request, response) => response.writeHead(200).end(`{"keys":[]}${' '.repeat(1_100_000)}`)],
    ['a hang-up', (request) => request.socket.destroy()],
  ])(
    'that cannot be had (%s) make a token neither good nor bad, and are asked for once a second',
    async (_what, answer) => {
      keys.answer = answer;
      const before = keys.fetched;
      const fresh = createTokenCheck({ jwksUrl: keys.url });
      const token = await keys.token();
      await expect(fresh.verify(token)).rejects.toThrow(UnavailableError);
      await expect(fresh.verify(token)).rejects.toThrow(UnavailableError);
      await expect(fresh.verify('nonsense')).rejects.toThrow(ForbiddenError);
      expect(keys.fetched - before).toBe(1);
    },
  );

  test('serve on while they cannot be had anew', async () => {
    let now = 0;
    const fresh = createTokenCheck({ jwksUrl: keys.url, now: () => now });
    const token = await keys.token();
    await fresh.verify(token);
    keys.answer = (_request, response) => response.writeHead(500).end();
    const before = keys.fetched;
    now = 300_001;
    for (let time = 0; time < 3; time++) {
      await expect(fresh.verify(token)).resolves.toMatchObject({ machineId: 'machine' });
      await until('the keys to be asked for', () => keys.fetched > before);
    }
    expect(keys.fetched).toBe(before + 1);
  });

  test('that Salad has withdrawn are forgotten within five minutes', async () => {
    let now = 0;
    const fresh = createTokenCheck({ jwksUrl: keys.url, now: () => now });
    const token = await keys.token();
    await fresh.verify(token);
    await keys.rotate();
    now = 300_000;
    await expect(fresh.verify(token)).resolves.toBeDefined();
    now = 300_001;
    await until('the token to be refused', () =>
      fresh.verify(token).then(
        () => false,
        (error: unknown) => error instanceof ForbiddenError,
      ),
    );
    await expect(fresh.verify(await keys.token())).resolves.toBeDefined();
  });
});
