import { createHash } from 'node:crypto';
import { buildSchema, parse, validate } from 'graphql';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { EXAMPLES } from '../../server/graphiql/examples.ts';
import { startTestApp } from '../support/app.ts';

const app = await startTestApp();
afterAll(() => app.close());

const get = (headers: Record<string, string> = {}) =>
  fetch(`${app.url}/graphql`, { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8', ...headers } });

describe('a browser at /graphql', () => {
  test('gets a page that needs nothing from elsewhere, and is told to reach for nothing', async () => {
    const response = await get();
    const page = await response.text();
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page).toContain('submitJob');
    expect(page).not.toMatch(/<(?:script|link)[^>]+(?:src|href)="?https?:/);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/);
  });

  test('may run the scripts of the page, and none that somebody else put there', async () => {
    const response = await get();
    const scripts = [...(await response.text()).matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
      ([, script = '']) => script,
    );
    const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
    expect(hashes).toHaveLength(2);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(/script-src ([^;]*)/.exec(policy)?.[1]?.split(' ')).toEqual(hashes);
    expect(scripts[0]).toContain('sessionStorage');
  });

  test('gets it compressed, and only once', async () => {
    const [zipped, plain] = [await get(), await get({ 'Accept-Encoding': 'identity' })];
    expect([zipped.headers.get('content-encoding'), plain.headers.get('content-encoding')]).toEqual(['gzip', null]);
    expect(await zipped.text()).toBe(await plain.text());
    const again = await get({ 'If-None-Match': zipped.headers.get('etag') ?? '' });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  test('but a program gets no page', async () => {
    const response = await get({ Accept: 'application/json' });
    expect(response.headers.get('content-type')).toContain('json');
  });
});

test('the examples fit the schema', () => {
  const schema = buildSchema(readFileSync('schema/schema.graphql', 'utf8'));
  expect(validate(schema, parse(EXAMPLES))).toEqual([]);
});
