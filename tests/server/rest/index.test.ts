import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBodies } from '../../../server/bodies.ts';
import { createExecutionPlaces } from '../../../server/execution-places.ts';
import { defaultLimits } from '../../../server/limits.ts';
import { createRest } from '../../../server/rest/index.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { problemIn, submission } from '../../support/rest.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const get = (path: string, init?: RequestInit) => fetch(`${app.url}${path}`, init);

describe('CORS is open', () => {
  test.each(['GET', 'POST', 'PATCH', 'DELETE'])('for %s, asked before without a key', async (method) => {
    const response = await get('/jobs', {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://dashboard.example',
        'Access-Control-Request-Method': method,
        'Access-Control-Request-Headers': 'x-kelpie-key,content-type,idempotency-key',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-methods')?.split(',')).toContain(method);
    expect(response.headers.get('access-control-allow-headers')?.split(',')).toContain('x-kelpie-key');
  });

  test.each(['/jobs', '/users/me', '/nowhere', '/openapi.json'])(
    'also for the answer of %s, good or bad',
    async (path) => {
      const response = await get(path, { headers: { Origin: 'https://dashboard.example' } });
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
    },
  );
});

test.each([
  ['GET', '/nowhere'],
  ['POST', '/jobs/1/2/3'],
  ['GET', '/jobs/'],
])('%s %s is no route, with or without a key', async (method, path) => {
  const { secret } = await app.account();
  for (const key of [undefined, secret]) {
    const { status, body } = await app.rest(key, method, path);
    expect(status).toBe(404);
    expect(problemIn(body)).toMatchObject({ error: 'Route Not Found', title: 'Route Not Found' });
  }
});

test('HEAD is answered like GET, without a body', async () => {
  const { secret } = await app.account();
  const response = await get('/jobs', { method: 'HEAD', headers: { 'X-Kelpie-Key': secret } });
  expect([response.status, await response.text()]).toEqual([200, '']);
});

describe('a path under another method', () => {
  test.each([
    ['PUT', '/jobs', 'GET, HEAD, POST, DELETE, OPTIONS'],
    ['PATCH', '/jobs/1', 'GET, HEAD, DELETE, OPTIONS'],
    ['DELETE', '/work', 'GET, HEAD, OPTIONS'],
    ['GET', '/jobs/1/heartbeat', 'POST, OPTIONS'],
    ['POST', '/scaling-rules/g', 'GET, HEAD, PATCH, DELETE, OPTIONS'],
    ['GET', '/users', 'POST, DELETE, OPTIONS'],
    ['POST', '/openapi.json', 'GET, HEAD, OPTIONS'],
  ])('%s %s is 405, and the ones it has are named', async (method, path, allow) => {
    const { status, body, headers } = await app.rest(undefined, method, path);
    expect([status, headers.get('allow')]).toEqual([405, allow]);
    expect(problemIn(body)).toMatchObject({
      error: 'Method Not Allowed',
      type: 'urn:kelpie:problem:method-not-allowed',
    });
  });

  test('OPTIONS tells them too, and that there is no such path', async () => {
    const known = await app.rest(undefined, 'OPTIONS', '/jobs/1');
    expect([known.status, known.headers.get('allow')]).toEqual([204, 'GET, HEAD, DELETE, OPTIONS']);
    expect((await app.rest(undefined, 'OPTIONS', '/nowhere')).status).toBe(404);
  });
});

test.each(['/jobs', '/nowhere', '/docs', '/openapi.json', '/livez'])(
  '%s is answered with safe headers',
  async (path) => {
    const { headers } = await get(path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  },
);

test('answers with jobs are not kept by caches', async () => {
  const { secret } = await app.account();
  expect((await app.rest(secret, 'GET', '/jobs')).headers.get('cache-control')).toBe('no-store');
});

describe('the documents', () => {
  const anyUrl = /(?:https?:)?\/\/[a-z0-9]/i;

  test('are OpenAPI 3.1, and name no other host', async () => {
    const response = await get('/openapi.json');
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text).not.toMatch(anyUrl);
    const document = JSON.parse(text) as { openapi: string; paths: Record<string, object> };
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(Object.keys(document.paths).length).toBeGreaterThan(10);
  });

  test('refer only to parts that they contain', async () => {
    const text = await (await get('/openapi.json')).text();
    const { components } = JSON.parse(text) as { components: Record<string, Record<string, unknown>> };
    const references = [...text.matchAll(/"#\/components\/(\w+)\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(10);
    for (const [, kind, name] of references) expect(components[kind!]?.[name!]).toBeDefined();
  });

  test('offer an example that the server takes', async () => {
    const document = (await (await get('/openapi.json')).json()) as {
      components: { schemas: { JobSubmission: { example: unknown } } };
    };
    const { secret } = await app.account();
    const { status } = await app.rest(secret, 'POST', '/jobs', document.components.schemas.JobSubmission.example);
    expect(status).toBe(202);
  });

  test('are read on a page whose every part comes from this server', async () => {
    const response = await get('/docs');
    expect(response.headers.get('content-type')).toContain('text/html');
    // One policy only: a second one would be held to as well, and let the page load nothing.
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy.match(/default-src 'none'/g)).toHaveLength(1);
    expect(policy).toContain("script-src 'self'; style-src 'self'");
    const page = await response.text();
    expect(page).not.toMatch(anyUrl);
    const parts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => new URL(match[1]!, response.url));
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) {
      expect(part.origin).toBe(app.url);
      const loaded = await fetch(part);
      expect([part.pathname, loaded.status]).toEqual([part.pathname, 200]);
      expect((await loaded.arrayBuffer()).byteLength).toBeGreaterThan(50);
    }
    const start = await (await get('/docs/start.js')).text();
    expect(start).toContain('validatorUrl: null');
    expect(start).not.toMatch(anyUrl);
  });

  test('serve nothing beside the page’s own parts', async () => {
    for (const path of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/swagger-ui-bundle.js.map']) {
      expect((await get(path)).status).toBe(404);
    }
  });
});

describe('an unexpected error', () => {
  const broken = () => {
    const logged: Record<string, unknown>[] = [];
    const rest = createRest({
      bodies: createBodies(defaultLimits),
      places: createExecutionPlaces(),
      core: app.core,
      viewerOf: () => Promise.reject(new Error('password of the database: hunter2')),
      callerOf: () => Promise.reject(new Error('password of the database: hunter2')),
      log: { error: (fields) => logged.push(fields) },
      ready: () => Promise.reject(new Error('password of the database: hunter2')),
      stopping: new AbortController().signal,
    });
    return { rest, logged };
  };

  test('says nothing of the inside, and bears a name that the log has too', async () => {
    const { rest, logged } = broken();
    const response = await rest.fetch(
      new Request('http://localhost/jobs', { headers: { Origin: 'http://x.example' } }),
    );
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('hunter2');
    const problem = problemIn(JSON.parse(text));
    expect(problem.request_id).toBe(response.headers.get('x-request-id'));
    expect(logged).toMatchObject([{ request_id: problem.request_id, method: 'GET', path: '/jobs' }]);
    expect((logged[0]?.err as Error).message).toContain('hunter2');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
  });

  test('of the database makes the server live but not ready', async () => {
    const { rest, logged } = broken();
    expect((await rest.fetch(new Request('http://localhost/livez'))).status).toBe(200);
    const response = await rest.fetch(new Request('http://localhost/readyz'));
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain('hunter2');
    expect(logged).toHaveLength(1);
  });
});

test('a server with its database is live and ready, for whoever asks', async () => {
  for (const path of ['/livez', '/readyz']) expect((await get(path)).status).toBe(200);
});

test('many submissions at once are all stored', async () => {
  const { secret } = await app.account();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => app.rest(secret, 'POST', '/jobs', submission({ name: `${index}` }))),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  const { body } = await app.rest(secret, 'GET', '/jobs');
  expect(body).toMatchObject({ _count: 50 });
});
