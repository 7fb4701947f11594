import { serverAudits } from 'graphql-http';
import { afterAll, describe, expect, test } from 'vitest';
import { startTestApp } from '../../support/app.ts';

const app = await startTestApp();
afterAll(() => app.close());
const { secret } = await app.account();

/** Every audit: what a server MUST and SHOULD do, and what it MAY as well. */
const audits = serverAudits({
  url: `${app.url}/graphql`,
  fetchFn: (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set('X-Kelpie-Key', secret);
    return fetch(url, { ...init, headers });
  },
});

describe('GraphQL over HTTP, by the audits of graphql-http', () => {
  test('is looked at from all sides', () => {
    const called = (word: string) => audits.filter(({ name }) => name.startsWith(word)).length;
    expect(called('MUST')).toBeGreaterThanOrEqual(10);
    expect(called('SHOULD')).toBeGreaterThanOrEqual(20);
  });

  test.each(audits.map((audit) => [audit.id, audit.name, audit] as const))('%s: %s', async (_id, _name, audit) => {
    expect(await audit.fn()).toMatchObject({ status: 'ok' });
  });
});
