import { afterAll, describe, expect, test } from 'vitest';
import { startTestApp } from '../../support/app.ts';

const app = await startTestApp();
afterAll(() => app.close());

interface Described {
  security: Record<string, []>[];
  components: { securitySchemes: Record<string, { type: string; name?: string; scheme?: string }> };
  paths: Record<string, Record<string, { responses: Record<string, { headers?: Record<string, unknown> }> }>>;
}
const document = (await (await fetch(`${app.url}/openapi.json`)).json()) as Described;

describe('the API’s document', () => {
  test('has every kind of credentials, each with all of its parts', () => {
    const { securitySchemes } = document.components;
    const headers = document.security.map((kind) =>
      Object.keys(kind).map((name) => securitySchemes[name]?.name ?? securitySchemes[name]?.scheme),
    );
    expect(headers).toEqual([
      ['X-Kelpie-Key'],
      ['Salad-Api-Key', 'Salad-Organization', 'Salad-Project'],
      ['bearer', 'Salad-Project'],
    ]);
  });

  test('says of every route but the probes how it refuses, and when to ask again', () => {
    const probes = ['/livez', '/readyz'];
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      probes.includes(path) ? [] : Object.values(methods),
    );
    expect(routes.length).toBeGreaterThan(5);
    for (const { responses } of routes) {
      expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '401', '403', '429', '503']));
      for (const status of ['429', '503'])
        expect(Object.keys(responses[status]?.headers ?? {})).toEqual(['Retry-After']);
    }
  });
});
