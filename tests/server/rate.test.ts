import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { RateLimitedError } from '../../core/errors.ts';
import { createRates } from '../../server/rate.ts';
import { startTestApp } from '../support/app.ts';
import { ask } from '../support/graphql.ts';
import { problemIn } from '../support/rest.ts';
import { until } from '../support/until.ts';

/** Whether each of so many was let through. */
async function passes(count: number, one: () => Promise<unknown>): Promise<number> {
  let passed = 0;
  for (let time = 0; time < count; time++) {
    await one().then(
      () => (passed += 1),
      (error: unknown) => expect(error).toBeInstanceOf(RateLimitedError),
    );
  }
  return passed;
}

describe('how often may be asked', () => {
  test('with one key: five seconds’ worth at once, each key for itself', async () => {
    const rates = createRates({ perKey: 3, refusalsPerAddress: 0 });
    expect(await passes(40, () => rates.count('a'))).toBe(15);
    expect(await passes(15, () => rates.count('b'))).toBe(15);
  });

  test('after refused keys: so many from one address, and good ones do not count', async () => {
    const rates = createRates({ perKey: 0, refusalsPerAddress: 4 });
    expect(await passes(50, () => rates.admit('a'))).toBe(50);
    expect(await passes(10, async () => rates.admit('a').then(() => rates.refused('a')))).toBe(4);
    await expect(rates.admit('a')).rejects.toThrow('4 refused keys a second');
    await expect(rates.admit('b')).resolves.toBeUndefined();
  });

  test('without bound, where the bound is 0', async () => {
    const rates = createRates({ perKey: 0, refusalsPerAddress: 0 });
    expect(await passes(1_000, () => rates.count('a'))).toBe(1_000);
    for (let time = 0; time < 100; time++) await rates.refused('a');
    await expect(rates.admit('a')).resolves.toBeUndefined();
  });

  test('is counted for ten thousand at a time: above that, who asked longest ago is forgotten', async () => {
    const rates = createRates({ perKey: 1, refusalsPerAddress: 0 });
    expect(await passes(9, () => rates.count('first'))).toBe(5);
    for (let other = 0; other < 9_999; other++) await rates.count(`other ${other}`);
    await expect(rates.count('first')).rejects.toThrow(RateLimitedError);
    for (let other = 0; other < 10_000; other++) await rates.count(`another ${other}`);
    await expect(rates.count('first')).resolves.toBeUndefined();
  });

  test('says in whole seconds when to ask again', async () => {
    const rates = createRates({ perKey: 1, refusalsPerAddress: 1 });
    await passes(5, () => rates.count('a'));
    await rates.refused('a');
    await expect(rates.count('a')).rejects.toMatchObject({ retryAfterSeconds: 5, code: 'RATE_LIMITED' });
    await expect(rates.admit('a')).rejects.toMatchObject({ retryAfterSeconds: 1 });
  });
});

describe('a server', async () => {
  const perKey = 2;
  const app = await startTestApp({ rates: createRates({ perKey, refusalsPerAddress: 0 }) });
  afterAll(() => app.close());

  test('answers with 429 and names the bound over REST, for that key alone', async () => {
    const { secret } = await app.account();
    const { secret: other } = await app.account();
    for (let time = 0; time < 10; time++) expect((await app.rest(secret, 'GET', '/users/me')).status).toBe(200);
    const { status, headers, body } = await app.rest(secret, 'GET', '/users/me');
    expect([status, headers.get('content-type')]).toEqual([429, 'application/problem+json']);
    expect(problemIn(body)).toMatchObject({ title: 'Too Many Requests', type: 'urn:kelpie:problem:rate-limited' });
    expect(problemIn(body).detail).toContain('10 requests in 5 s');
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(5);
    expect((await app.rest(other, 'GET', '/users/me')).status).toBe(200);
    for (const path of ['/livez', '/readyz', '/openapi.json']) {
      expect((await app.rest(secret, 'GET', path)).status).toBe(200);
    }
  });

  test('and over GraphQL with a code, the status and the head of HTTP', async () => {
    const { secret } = await app.account();
    for (let time = 0; time < 10; time++) await ask(app, secret, '{ viewer { role } }');
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const response = await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: { 'X-Kelpie-Key': secret, 'Content-Type': 'application/json', Accept: accept },
        body: JSON.stringify({ query: '{ viewer { role } }' }),
      });
      expect(response.status).toBe(429);
      const after = Number(response.headers.get('retry-after'));
      expect(after).toBeGreaterThanOrEqual(1);
      const { errors } = (await response.json()) as { errors: { extensions: unknown }[] };
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'RATE_LIMITED', retryAfterSeconds: after }]);
    }
    expect((await app.rest(secret, 'GET', '/users/me')).status).toBe(429);
  });

  test('does not count what comes over a socket, where agents beat', async () => {
    const { secret } = await app.account();
    const client = app.socket(secret);
    for (let time = 0; time < 30; time++) {
      const answers = client.iterate({ query: '{ viewer { role } }' });
      expect((await answers.next()).value).toMatchObject({ data: { viewer: { role: 'OWNER' } } });
    }
  });
});

test('guessing is slow: after some refused keys nobody from there is looked at, over any door', async () => {
  const app = await startTestApp({ rates: createRates({ perKey: 0, refusalsPerAddress: 5 }), trustedProxies: 1 });
  try {
    const from = { 'X-Forwarded-For': '203.0.113.9' };
    const guess = (key: string, path = '/users/me', head: Record<string, string> = from) =>
      fetch(`${app.url}${path}`, { headers: { ...head, 'X-Kelpie-Key': key } });
    const { secret } = await app.account();
    /** Asks right after so many refused keys; again, should their second be over before it was asked. */
    const afterGuesses = <Answer>(what: string, ask: () => Promise<Answer | false>) =>
      until(what, async () => {
        await Promise.all(Array.from({ length: 5 }, (_, index) => guess(`guess ${index}`)));
        return ask();
      });

    expect((await guess('first guess')).status).toBe(403);
    const refused = await afterGuesses('a good key not to be looked at', async () => {
      const answer = await guess(secret);
      return answer.status === 429 && answer;
    });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.text()).toContain('5 refused keys a second');
    await afterGuesses('the same over GraphQL', async () => {
      return (await guess(secret, '/graphql?query={viewer{role}}')).status === 429;
    });
    await afterGuesses('a socket to be told to come later', async () => {
      const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        headers: from,
      });
      await once(socket, 'open');
      socket.send(JSON.stringify({ type: 'connection_init', payload: { 'X-Kelpie-Key': 'another guess' } }));
      return (await once(socket, 'close'))[0] === 1013;
    });
    expect((await guess(secret, '/users/me', { 'X-Forwarded-For': '198.51.100.1' })).status).toBe(200);
  } finally {
    await app.close();
  }
});
