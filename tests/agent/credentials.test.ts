import { expect, test } from 'vitest';
import { keyCredentials, tokenCredentials } from '../../agent/credentials.ts';

const never = new AbortController().signal;

/** A source of numbered tokens that live for so many seconds, on a clock that is set by hand. */
function source(lifetime: number | undefined) {
  const clock = { now: 1_000_000_000_000 };
  const state = { fetched: 0, isDown: false };
  const token = (number: number) => {
    const claims = lifetime === undefined ? {} : { exp: clock.now / 1000 + lifetime };
    return `head.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${number}`;
  };
  const credentials = tokenCredentials({
    fetchToken: async () => {
      if (state.isDown) throw new Error('out of order');
      return token(++state.fetched);
    },
    project: 'training',
    now: () => clock.now,
  });
  const number = (headers: Record<string, string>) => Number(headers['Authorization']?.split('.')[2]);
  return {
    clock,
    state,
    credentials,
    forRequest: async () => number(await credentials.forRequest(never)),
    forConnection: async () => number(await credentials.forConnection(never)),
  };
}

test('a key is shown as it is', async () => {
  const credentials = keyCredentials('a-secret');
  expect(await credentials.forRequest(never)).toEqual({ 'X-Kelpie-Key': 'a-secret' });
  expect(await credentials.forConnection(never)).toEqual({ 'X-Kelpie-Key': 'a-secret' });
});

test('a token is shown with its project', async () => {
  const { credentials } = source(600);
  expect(await credentials.forRequest(never)).toEqual({
    Authorization: expect.stringMatching(/^Bearer head\..*\.1$/) as string,
    'Salad-Project': 'training',
  });
});

test('a token serves many requests, until shortly before its end', async () => {
  const { clock, forRequest } = source(600);
  expect([await forRequest(), await forRequest()]).toEqual([1, 1]);
  clock.now += 539_000;
  expect(await forRequest()).toBe(1);
  clock.now += 2000;
  expect(await forRequest()).toBe(2);
});

test('of a short life the last fifth is left out', async () => {
  const { clock, forRequest } = source(10);
  await forRequest();
  clock.now += 7900;
  expect(await forRequest()).toBe(1);
  clock.now += 200;
  expect(await forRequest()).toBe(2);
});

test('each connection gets a token of its own, or what is still good while there is none to be had', async () => {
  const { clock, state, forConnection } = source(600);
  expect([await forConnection(), await forConnection()]).toEqual([1, 2]);
  state.isDown = true;
  clock.now += 599_000;
  expect(await forConnection()).toBe(2);
  clock.now += 2000;
  await expect(forConnection()).rejects.toThrow('out of order');
});

test('a token that was refused is not shown again', async () => {
  const { credentials, state, forRequest } = source(600);
  await forRequest();
  credentials.refused();
  expect(await forRequest()).toBe(2);
  credentials.refused();
  state.isDown = true;
  await expect(forRequest()).rejects.toThrow('out of order');
});

test('many who ask at once wait for the same token', async () => {
  const { forRequest } = source(600);
  expect(await Promise.all([forRequest(), forRequest(), forRequest()])).toEqual([1, 1, 1]);
});

test.each([
  ['does not say when it ends', undefined],
  ['has ended by a clock that is wrong', -3600],
])('a token that %s serves for half a minute', async (_what, lifetime) => {
  const { clock, forRequest } = source(lifetime);
  await forRequest();
  clock.now += 23_000;
  expect(await forRequest()).toBe(1);
  clock.now += 2000;
  expect(await forRequest()).toBe(2);
});

test('who does not wait any longer is let go', async () => {
  const credentials = tokenCredentials({ fetchToken: () => new Promise(() => undefined), project: 'training' });
  const given = AbortSignal.abort(new Error('given up'));
  await expect(credentials.forRequest(given)).rejects.toThrow('given up');
  await expect(credentials.forConnection(given)).rejects.toThrow('given up');
});
