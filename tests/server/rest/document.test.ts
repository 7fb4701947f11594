import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION } from '../../../lib/version.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { pointer, readApi, type Api } from '../../support/openapi.ts';

let app: TestApp;
let api: Api;
beforeAll(async () => {
  app = await startTestApp();
  api = await readApi(app);
});
afterAll(() => app.close());

test('each document and probe is read without a key, and by no other method', async () => {
  for (const path of ['/openapi.json', '/docs', '/livez', '/readyz']) {
    expect((await fetch(`${app.url}${path}`)).status).toBe(200);
    const other = await fetch(`${app.url}${path}`, { method: 'POST' });
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  }
});

test('every example of the document is what its schema says, and every operation is described', () => {
  const ids = new Set<string>();
  for (const { path, method, operation } of api.routes) {
    const at = ['paths', path, method.toLowerCase()];
    expect([operation.summary.length, operation.description.length].every((length) => length > 5)).toBe(true);
    ids.add(operation.operationId);
    const contents = [
      ...(operation.requestBody ? [[[...at, 'requestBody'], operation.requestBody.content] as const] : []),
      ...Object.entries(operation.responses).map(
        ([status, { content }]) => [[...at, 'responses', status], content ?? {}] as const,
      ),
    ];
    for (const [place, content] of contents) {
      for (const [type, { example }] of Object.entries(content)) {
        expect(example).toBeDefined();
        expect(api.faultsOf(pointer(...place, 'content', type, 'schema'), example)).toEqual([]);
      }
    }
  }
  expect(ids.size).toBe(api.routes.length);
  expect(api.document.components.securitySchemes).toMatchObject({ key: { type: 'apiKey', name: 'X-Kelpie-Key' } });
});

test('every field that can be sent or is answered is described, wherever in the document it stands', () => {
  const { fields, undescribed } = describedIn(api.document, '#');
  expect(undescribed).toEqual([]);
  expect(fields).toBeGreaterThan(120);
});

/** Counts the properties of all schemas below, and names those that nobody explains. */
function describedIn(value: unknown, at: string): { fields: number; undescribed: string[] } {
  if (typeof value !== 'object' || value === null) return { fields: 0, undescribed: [] };
  const found = { fields: 0, undescribed: [] as string[] };
  for (const [name, part] of Object.entries(value)) {
    // What an example has is no schema, whatever its members are called.
    if (name === 'example' || name === 'examples') continue;
    const below = describedIn(part, `${at}/${name}`);
    found.fields += below.fields;
    found.undescribed.push(...below.undescribed);
    if (name !== 'properties') continue;
    for (const [property, schema] of Object.entries(part as Record<string, { description?: string }>)) {
      found.fields += 1;
      if ((schema.description?.length ?? 0) < 5) found.undescribed.push(`${at}/properties/${property}`);
    }
  }
  return found;
}
test('the probes, and nothing else, are described as open to who has no key', async () => {
  const open = api.routes.filter((route) => !api.guarded.includes(route));
  expect(open.map(({ name }) => name)).toEqual(['GET /livez', 'GET /readyz']);
  for (const route of open) {
    const response = await fetch(`${app.url}${route.path}`);
    const answer = { status: response.status, contentType: response.headers.get('content-type') };
    expect(api.faults(route, { ...answer, text: await response.text() })).toEqual([]);
  }
});

test('the document has the version of the package', () => {
  expect(api.document.info.version).toBe(VERSION);
});
