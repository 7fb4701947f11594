import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { UnavailableError } from '../../../core/errors.ts';
import { createProjectCheck } from '../../../server/salad/project.ts';
import { startReceiver } from '../../support/receiver.ts';
import { startSaladApi } from '../../support/salad.ts';

const api = await startSaladApi();
afterAll(() => api.close());

const credentials = { apiKey: 'secret-of-acme', organization: 'acme', project: 'training' };
let now = 0;
let check = createProjectCheck({ apiUrl: api.url });

beforeEach(() => {
  api.asked.length = 0;
  api.answer = undefined;
  api.keys = new Map([
    ['acme/training', new Set(['secret-of-acme'])],
    ['other/things', new Set(['secret-of-others'])],
  ]);
  now = 0;
  check = createProjectCheck({ apiUrl: api.url, now: () => now });
});

describe('whether a key may act for a project', () => {
  test('is asked of Salad as its document says', async () => {
    expect(await check.allows(credentials)).toBe(true);
    expect(api.asked).toEqual([{ path: '/api/public/organizations/acme/projects/training', key: 'secret-of-acme' }]);
  });

  test.each([
    ['an unknown key (401)', { apiKey: 'unknown' }],
    ['a key of others (403)', { apiKey: 'secret-of-others' }],
    ['a project that is not there (404)', { project: 'nowhere' }],
    ['a key that no header can carry', { apiKey: 'with\r\nX-Injected: header' }],
    ['a key of other letters', { apiKey: 'schlüßel' }],
    ['a key that is too long', { apiKey: 'k'.repeat(1_001) }],
  ])('is no for %s', async (_what, part) => {
    expect(await check.allows({ ...credentials, ...part })).toBe(false);
  });

  test.each<[string, NonNullable<typeof api.answer>]>([
    ['too many requests', (_request, response) => response.writeHead(429).end()],
    ['an error of Salad', (_request, response) => response.writeHead(500).end('{"name":"training"}')],
    ['another success', (_request, response) => response.writeHead(204).end()],
    ['the page of a portal', (_request, response) => response.writeHead(200).end('<html>Please log in</html>')],
    ['no object', (_request, response) => response.writeHead(200).end('true')],
    ['another project', (_request, response) => response.writeHead(200).end('{"name":"others"}')],
    ['nothing', (_request, response) => response.writeHead(200).end()],
    ['a hang-up', (request) => request.socket.destroy()],
    [
      'more than can be a project',
      (_request, response) => response.writeHead(200).end(`{"name":"training","more":"${'x'.repeat(300_000)}"}`),
    ],
  ])('is not known after %s, which is neither remembered nor taken for a no', async (_what, answer) => {
    api.answer = answer;
    await expect(check.allows(credentials)).rejects.toThrow(UnavailableError);
    await expect(check.allows(credentials)).rejects.not.toThrow('secret-of-acme');
    api.answer = undefined;
    expect(await check.allows(credentials)).toBe(true);
  });

  test.each<[string, NonNullable<typeof api.answer>]>([
    ['silence', () => undefined],
    ['half an answer', (_request, response) => response.writeHead(200).write('{"name":')],
  ])('is not known after %s, however long that lasts', async (_what, answer) => {
    api.answer = answer;
    const hasty = createProjectCheck({ apiUrl: api.url, timeLimitMs: 200 });
    await expect(hasty.allows(credentials)).rejects.toThrow(UnavailableError);
  });

  test('is not asked where a redirect points: that would carry the key there', async () => {
    const elsewhere = await startReceiver();
    try {
      api.answer = (_request, response) => response.writeHead(307, { Location: elsewhere.url }).end();
      await expect(check.allows(credentials)).rejects.toThrow('status 307');
      expect(elsewhere.received).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });

  test('is not known when nobody is there', async () => {
    const gone = await startSaladApi();
    await gone.close();
    const error: unknown = await createProjectCheck({ apiUrl: gone.url })
      .allows(credentials)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).not.toContain(new URL(gone.url).port);
  });
});

describe('answers are remembered', () => {
  test('a yes for a minute', async () => {
    await check.allows(credentials);
    api.keys.clear();
    now = 59_999;
    expect(await check.allows(credentials)).toBe(true);
    expect(api.asked).toHaveLength(1);
    now = 60_000;
    expect(await check.allows(credentials)).toBe(false);
    expect(api.asked).toHaveLength(2);
  });

  test('a no for ten seconds', async () => {
    const early = { ...credentials, apiKey: 'not-yet' };
    expect(await check.allows(early)).toBe(false);
    api.keys.set('acme/training', new Set(['not-yet']));
    now = 9_999;
    expect(await check.allows(early)).toBe(false);
    now = 10_000;
    expect(await check.allows(early)).toBe(true);
  });

  test('for exactly those credentials, however their parts are split', async () => {
    api.keys.set('ac/me', new Set(['k']));
    expect(await check.allows({ apiKey: 'k', organization: 'ac', project: 'me' })).toBe(true);
    expect(await check.allows({ apiKey: 'k', organization: 'acme', project: '' })).toBe(false);
    expect(await check.allows({ apiKey: 'mek', organization: 'ac', project: '' })).toBe(false);
  });

  test('the last thousand', async () => {
    await check.allows(credentials);
    const others = Array.from({ length: 1_000 }, (_, index) => ({ ...credentials, apiKey: `other-${index}` }));
    while (others.length > 0) await Promise.all(others.splice(0, 50).map((each) => check.allows(each)));
    await check.allows({ ...credentials, apiKey: 'other-999' });
    expect(api.asked).toHaveLength(1_001);
    await check.allows(credentials);
    expect(api.asked).toHaveLength(1_002);
  });
});

describe('many who ask at once', () => {
  test('with the same credentials share one request, also when it fails', async () => {
    const all = () => Array.from({ length: 30 }, () => check.allows(credentials));
    expect(new Set(await Promise.all(all()))).toEqual(new Set([true]));
    expect(api.asked).toHaveLength(1);
    now = 60_000;
    api.answer = (_request, response) => response.writeHead(502).end();
    const outcomes = await Promise.allSettled(all());
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
    expect(api.asked).toHaveLength(2);
  });

  test('with made-up keys get fifty of them asked of Salad at a time', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
    api.answer = (_request, response) => void released.then(() => response.writeHead(401).end());
    const asked = Array.from({ length: 60 }, (_, index) =>
      check.allows({ ...credentials, apiKey: `made-up-${index}` }),
    );
    const excess = await Promise.allSettled(asked.splice(50));
    expect(new Set(excess.map(({ status }) => status))).toEqual(new Set(['rejected']));
    release(undefined);
    expect(new Set(await Promise.all(asked))).toEqual(new Set([false]));
    expect(api.asked).toHaveLength(50);
  });
});
