import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

const folder = await mkdtemp(join(tmpdir(), 'kelpie-dashboard-'));
const built = join(folder, 'built');
let app: TestApp;

beforeAll(async () => {
  await writeFile(join(folder, 'secret.js'), 'not for everybody');
  app = await startTestApp({ dashboard: built });
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

/** As it stands: `fetch` would tidy a path up before it is sent. */
async function get(path: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number | undefined; headers: Record<string, unknown>; text: string }>(
    (resolve, reject) => {
      const { hostname, port } = new URL(app.url);
      const asked = request({ hostname, port, path, headers }, (response) => {
        let text = '';
        response.setEncoding('latin1').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
      });
      asked.on('error', reject).end();
    },
  );
}

test('without a build, the page says in one line what to run', async () => {
  const { status, text } = await get('/');
  expect([status, text]).toEqual([
    503,
    'The dashboard is not built: run `npm run build:dashboard`, then load this page again.\n',
  ]);
  expect((await get('/livez')).status).toBe(200);
});

describe('a build that is there', () => {
  beforeAll(async () => {
    await mkdir(join(built, 'assets'), { recursive: true });
    await writeFile(join(built, 'index.html'), '<!doctype html><title>Kelpie</title>');
    await writeFile(join(built, 'assets/index-abc.js'), 'export const plain = 1;');
    await writeFile(join(built, 'assets/index-abc.js.br'), 'squeezed');
    await writeFile(join(built, '.built-from'), 'a stamp');
  });

  test.for(['/', '/?status=RUNNING', '/app/jobs', '/app/jobs/7d232935-7b53-499c-b6b3-11e1cd1d7334', '/app/nothing'])(
    'is the page at %s, under a policy that holds it to this server',
    async (path) => {
      const { status, headers, text } = await get(path);
      expect([status, headers['content-type'], text]).toEqual([
        200,
        'text/html; charset=utf-8',
        '<!doctype html><title>Kelpie</title>',
      ]);
      expect(headers['content-security-policy']).toBe(
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      expect(headers['cache-control']).toBe('no-cache');
      expect(headers['x-content-type-options']).toBe('nosniff');
    },
  );

  test('sends what the page is made of for good, compressed where that is taken', async () => {
    const plain = await get('/assets/index-abc.js');
    expect([plain.status, plain.headers['content-type'], plain.text]).toEqual([
      200,
      'text/javascript; charset=utf-8',
      'export const plain = 1;',
    ]);
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    const squeezed = await get('/assets/index-abc.js', { 'Accept-Encoding': 'br' });
    expect([squeezed.headers['content-encoding'], squeezed.text]).toEqual(['br', 'squeezed']);
    expect(squeezed.headers['vary']).toContain('Accept-Encoding');
  });

  test.for([
    '/assets/../secret.js',
    '/assets/..%2fsecret.js',
    '/assets/%2e%2e/%2e%2e/secret.js',
    '/assets/..\\secret.js',
    '/assets/..%5c..%5csecret.js',
    '/assets/%252e%252e%252fsecret.js',
    '/assets//etc/passwd',
    '/../secret.js',
    '/.built-from',
    '/index.html',
    '/assets/.built-from',
    '/assets/gone-def.js',
    '/assets/',
  ])('and nothing else of the disk, as by %s', async (path) => {
    const { status, text } = await get(path);
    // What is no address at all is refused before anybody looks for it.
    expect([400, 404]).toContain(status);
    expect(text).not.toContain('not for everybody');
    expect(text).not.toContain('a stamp');
  });

  test('the API keeps its addresses, with its own answers', async () => {
    const answers = await Promise.all(
      ['/livez', '/jobs', '/docs', '/openapi.json', '/app', '/nothing'].map((path) => get(path)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200, 200, 404, 404]);
    expect(answers.every(({ text }) => !text.includes('<title>Kelpie</title>'))).toBe(true);
    const graphql = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    });
    expect(graphql.headers.get('content-type')).toContain('json');
  });
});
