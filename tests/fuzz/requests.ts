import fc from 'fast-check';
import type { Api, Parameter, Route } from '../support/openapi.ts';
import { character, junk, valuesOf, type Values } from './values.ts';

export type KeyName = 'owner' | 'submitter' | 'agent' | 'viewer' | 'stranger' | 'admin' | 'unknown' | 'none';

/** One request, as it is sent but for ids, which are known only then. */
export interface Ask {
  route: Route;
  /** Not always the route's. */
  method: string;
  /** The n-th known one of the kind that the path is about, or a text. */
  id: number | string;
  query: string;
  headers: Record<string, string>;
  key: KeyName;
  body: string | undefined;
}

/** Requests for every route of the document, each as often as the others. */
export function requests(api: Api): fc.Arbitrary<Ask> {
  const values = valuesOf(api.document);
  return fc.oneof(...api.routes.map((route) => requestsOf(route, values)));
}

function requestsOf(route: Route, values: Values): fc.Arbitrary<Ask> {
  const parameters = route.operation.parameters ?? [];
  const schema = Object.values(route.operation.requestBody?.content ?? {})[0]?.schema;
  return fc.record<Ask>({
    route: fc.constant(route),
    method: mostly(
      9,
      fc.constant(route.method),
      fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'PUT', 'POST', 'PATCH', 'DELETE'),
    ),
    id: mostly(
      3,
      fc.nat({ max: 1_000 }),
      fc.oneof(fc.uuid(), fc.constantFrom('%', '%00', '%ff', '%ED%A0%80', '..', '~', ' '), texts()),
    ),
    query: queries(parameters, values),
    headers: headers(parameters, values),
    key: keys(route),
    body: schema === undefined ? fc.constant(undefined) : bodies(schema, values),
  });
}

function mostly<Usual, Other>(weight: number, usual: fc.Arbitrary<Usual>, other: fc.Arbitrary<Other>) {
  return fc.oneof<
    [{ weight: number; arbitrary: fc.Arbitrary<Usual> }, { weight: number; arbitrary: fc.Arbitrary<Other> }]
  >({ weight, arbitrary: usual }, { weight: 1, arbitrary: other });
}

const OTHERS: KeyName[] = ['submitter', 'agent', 'viewer', 'stranger', 'unknown', 'none'];

function keys(route: Route): fc.Arbitrary<KeyName> {
  const isAdmins = route.operation.description.includes('For the admin');
  if (!isAdmins) return mostly(3, fc.constant('owner' as const), fc.constantFrom<KeyName>(...OTHERS, 'admin'));
  const others = fc.constantFrom<KeyName>(...OTHERS, 'owner');
  // Clearing all too often would leave nothing to ask about.
  if (route.method === 'DELETE') return mostly(20, others, fc.constant('admin' as const));
  return mostly(3, fc.constant('admin' as const), others);
}

function queries(parameters: Parameter[], values: Values): fc.Arbitrary<string> {
  const known = parameters.filter(({ in: place }) => place === 'query');
  const fields = known.map(({ name, schema }) => [name, values.valid(schema, name).map(String)] as const);
  const required = known.filter(({ required: needed }) => needed).map(({ name }) => name);
  const right = fc
    .record<Record<string, string>>(Object.fromEntries(fields), { requiredKeys: required })
    .map((query) =>
      new URLSearchParams(Object.entries(query).map(([name, value]) => [name, value.toWellFormed()])).toString(),
    );
  const names = fc.constantFrom('x', ...known.map(({ name }) => name).filter((name) => name !== 'follow'));
  const wrong = fc
    .array(fc.tuple(names, fc.oneof(texts(), fc.constantFrom('%00', '%', '1e3', '-1', '99999999999999999999', ''))), {
      maxLength: 4,
    })
    .map((pairs) => pairs.map(([name, value]) => `${name}=${value}`).join('&'));
  return mostly(3, right, wrong);
}

function headers(parameters: Parameter[], values: Values): fc.Arbitrary<Record<string, string>> {
  const known = parameters.filter(({ in: place }) => place === 'header');
  const latin = fc.string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
  });
  const fields = known.map(({ name, schema }) => {
    // A header carries bytes: what does not fit is another test's matter.
    const value = values
      .valid(schema, name)
      .map(String)
      .filter((text) => /^[\x20-\x7e]*$/.test(text));
    return [name, mostly(4, value, latin)] as const;
  });
  const types = [
    'application/json',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'a/b; charset=utf-16',
    '?',
  ];
  return fc.record({ ...Object.fromEntries(fields), 'content-type': fc.constantFrom(...types) }, { requiredKeys: [] });
}

function bodies(schema: Parameter['schema'], values: Values): fc.Arbitrary<string> {
  const written = (value: unknown): string => JSON.stringify(value);
  return fc.oneof(
    { weight: 5, arbitrary: values.valid(schema).map(written) },
    { weight: 4, arbitrary: values.nearly(schema).map(written) },
    { weight: 1, arbitrary: junk().map(written) },
    { weight: 1, arbitrary: brokenTexts() },
  );
}

/** What is no JSON, or JSON that few writers write. */
function brokenTexts(): fc.Arbitrary<string> {
  return fc.constantFrom(
    '',
    ' ',
    '{',
    '{"command":',
    '[1,]',
    '\ufeff{}',
    '"\\ud800"',
    '{"command":"\\u0000","container_group_id":"g0"}',
    '{"command":"x","container_group_id":"g0","priority":1e999}',
    '{"command":"x","command":"y","container_group_id":"g0"}',
    '{"command":"x","container_group_id":"g0","environment":{"__proto__":"x"}}',
    '{"command":"x","container_group_id":"g0","labels":{"\\u005f_proto__":"x","constructor":"y"}}',
    '['.repeat(50_000),
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
    `{"command":"${'x'.repeat(300_000)}","container_group_id":"g0"}`,
    `[${'{},'.repeat(2_000)}{}]`,
  );
}

function texts(): fc.Arbitrary<string> {
  return fc
    .string({ unit: character, minLength: 1, maxLength: 40 })
    .map((text) => encodeURIComponent(text.toWellFormed()));
}
