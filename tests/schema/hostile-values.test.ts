import { randomUUID } from 'node:crypto';
import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isAbstractType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
} from 'graphql';
import { afterAll, expect, test } from 'vitest';
import { schema } from '../../schema/index.ts';
import { startTestApp } from '../support/app.ts';
import { ADMIN_KEY } from '../support/core.ts';
import { registered } from '../support/graphql.ts';
import { claim, submit } from '../support/jobs.ts';

/**
 * What somebody may send in the place of any value that the schema lets through, at any door of the API: each is taken, or refused in words,
 * and none is a fault of ours.
 */
const app = await startTestApp({ limits: { KELPIE_MAX_BODY_BYTES: 4_000_000 } });
afterAll(() => app.close());
const { viewer, secret } = await app.account('OWNER', 'owner');
const job = await submit(app.core, viewer);
const agentId = await registered(app, secret);

/** Stands for lists within lists, which cannot be written by who has them as a value. */
const DEEP = 'so deep';
const deepText = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
const HOSTILE: Record<string, readonly unknown[]> = {
  String: ['\0', '\ud800', 'x'.repeat(20_000), '', '__proto__'],
  ID: ['\0', '\ud800', 'x'.repeat(10_000), '', '00000000-0000-0000-0000-000000000000'],
  Int: [2_147_483_647, -2_147_483_648, 0, -1],
  Float: [1e308, -1e308, 5e-324, 0],
  Boolean: [],
  BigInt: ['9223372036854775807', '9223372036854775808', '-1', '1'.repeat(400)],
  JSONObject: [
    { a: '\0' },
    { '\0': 'a' },
    { a: '\ud800' },
    { a: DEEP },
    { a: 1e308 },
    { ['__proto__']: 'a' },
    Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [String(n), 'x'])),
  ],
  DateTime: ['+275760-09-13T00:00:00Z', '0000-01-01T00:00:00Z', '-271821-04-20T00:00:00Z', 'now'],
  Cursor: ['\0', '\ud800', '0', '9'.repeat(40), `${'9'.repeat(30)}-${'9'.repeat(30)}`],
  URL: ['http://\0', 'http://x/\ud800', 'http://[::', `http://x/${'x'.repeat(20_000)}`],
};

const NAMED: Record<string, unknown> = { attempt: 1, agentId, direction: 'UPLOAD', pattern: '*', outcome: 'FAILED' };

/** A value that fits, with every field there is. */
function fitting(name: string, type: GraphQLInputType, depth = 0): unknown {
  if (isNonNullType(type)) return fitting(name, type.ofType, depth);
  if (isListType(type)) return [fitting(name, type.ofType, depth)];
  if (name in NAMED) return NAMED[name];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isInputObjectType(type)) {
    if (depth > 4) return {};
    return Object.fromEntries(
      Object.values(type.getFields())
        .filter((field) => !['last', 'before', 'legacySync'].includes(field.name))
        .map((field) => [field.name, fitting(field.name, field.type, depth + 1)]),
    );
  }
  const fits: Record<string, unknown> = {
    ID: job.id,
    Int: 1,
    Float: 0.5,
    Boolean: false,
    BigInt: '1',
    JSONObject: { a: 'b' },
  };
  const others: Record<string, unknown> = {
    DateTime: '2026-01-01T00:00:00Z',
    Cursor: undefined,
    URL: 'https://example.com/',
  };
  return { String: 'group', ...fits, ...others }[type.name];
}

/** The input of a report, about a lease of its own: what is taken ends it. */
async function aboutOwnLease(variables: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { input } = variables;
  if (typeof input !== 'object' || input === null || !('jobId' in input && 'attempt' in input)) return variables;
  if (input.jobId !== job.id || input.attempt !== 1) return variables;
  const own = randomUUID();
  await submit(app.core, viewer, { containerGroupId: own });
  const { lease } = await claim(app.core, viewer, own, own);
  return { ...variables, input: { ...input, jobId: lease.jobId } };
}

/** The same value again and again, each time with another leaf replaced. */
function* spoiled(type: GraphQLInputType, value: unknown): Generator<{ at: string; value: unknown }> {
  if (isNonNullType(type)) yield* spoiled(type.ofType, value);
  else if (isListType(type)) {
    const [one] = Array.isArray(value) ? (value as unknown[]) : [];
    for (const inner of spoiled(type.ofType, one)) yield { at: `0.${inner.at}`, value: [inner.value] };
    yield { at: 'many', value: Array<unknown>(2_000).fill(one) };
  } else if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) {
      const members = (value ?? {}) as Record<string, unknown>;
      for (const inner of spoiled(field.type, members[field.name])) {
        yield { at: `${field.name}.${inner.at}`, value: { ...members, [field.name]: inner.value } };
      }
    }
  } else if (!isEnumType(type)) for (const hostile of HOSTILE[type.name] ?? []) yield { at: '', value: hostile };
}

function selectionOf(field: GraphQLField<unknown, unknown>): string {
  const type = getNamedType(field.type);
  if (isLeafType(type)) return '';
  if (isAbstractType(type)) return '{ __typename }';
  const names = isObjectType(type) ? Object.keys(type.getFields()) : [];
  return names.includes('nodes') ? '{ __typename totalCount: __typename nodes { __typename } }' : '{ __typename }';
}

/** Of ours, or blamed on a database that has answered. */
const FAULTS = ['INTERNAL_SERVER_ERROR', 'UNAVAILABLE'];

const AS_IT_FITS = 'as it fits';
const REFUSED = /LeaseLost|InvalidInput/;

interface Door {
  name: string;
  document: (variables: string, field: string) => string;
  field: GraphQLField<unknown, unknown>;
}

function doorsOf(kind: 'query' | 'mutation'): Door[] {
  const root = kind === 'query' ? schema.getQueryType() : schema.getMutationType();
  // What many submissions are refused for one is.
  const fields = Object.values(root?.getFields() ?? {}).filter(({ name }) => name !== 'submitJobs');
  const whole = fields.map((field) => ({
    name: field.name,
    document: (variables: string, inner: string) => `${kind} ${variables} { ${inner} }`,
    field,
  }));
  if (kind === 'mutation') return whole;
  const within = (typeName: string, before: string): Door[] => {
    const type = schema.getType(typeName);
    if (!isObjectType(type)) throw new Error(`Expected an object type called ${typeName}`);
    return Object.values(type.getFields())
      .filter(({ args }) => args.length > 0)
      .map((field) => ({
        name: `${typeName}.${field.name}`,
        document: (variables, inner) => `query ${variables} { ${before} { ${inner} } }`,
        field,
      }));
  };
  return [
    ...whole,
    ...within('Job', `job(id: "${job.id}")`),
    ...within('ContainerGroup', 'containerGroup(id: "group")'),
    ...within('Viewer', 'viewer'),
  ];
}

interface Told {
  message: string;
  extensions?: Record<string, unknown>;
}

interface Answer {
  data?: unknown;
  errors?: Told[];
}

async function ask(key: string, query: string, variables: Record<string, unknown>): Promise<Answer> {
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': key },
    body: JSON.stringify({ query, variables }).replace(`"${DEEP}"`, deepText),
  });
  return (await response.json()) as Answer;
}

async function faultsAt({ name, document, field }: Door): Promise<string[]> {
  const { args } = field;
  const base = Object.fromEntries(
    args
      .filter((one) => !['last', 'before', 'after'].includes(one.name))
      .map((one) => [one.name, fitting(one.name, one.type)]),
  );
  const variables = args.map((one) => `$${one.name}: ${String(one.type)}`).join(', ');
  const passed = args.map((one) => `${one.name}: $${one.name}`).join(', ');
  const inner = `${field.name}${passed === '' ? '' : `(${passed})`} ${selectionOf(field)}`;
  const query = document(variables === '' ? '' : `(${variables})`, inner);
  const tries = [
    { at: AS_IT_FITS, value: base },
    ...args.flatMap((one: GraphQLArgument) =>
      [...spoiled(one.type, base[one.name])].map(({ at, value }) => ({
        at: `${one.name}.${at}`,
        value: { ...base, [one.name]: value },
      })),
    ),
  ];
  const key = /account|apiKey|auditEvents/i.test(name) ? ADMIN_KEY : secret;
  const told = await Promise.all(
    tries.map(async ({ at, value }) => {
      const { errors = [], data } = await ask(key, query, await aboutOwnLease(value));
      // Else it would not have come as far as where it is stored.
      if (at === AS_IT_FITS) expect(`${name}: ${JSON.stringify(data)}`).not.toMatch(REFUSED);
      const broken = errors.filter(({ extensions }) => FAULTS.includes(String(extensions?.['code'])));
      return broken.map(({ message }) => `${name} ${at} ${JSON.stringify(value).slice(0, 100)}: ${message}`);
    }),
  );
  return told.flat();
}

test.each(['query', 'mutation'] as const)(
  'no %s fails over a value that somebody made up',
  async (kind) => {
    const faults: string[] = [];
    for (const door of doorsOf(kind)) faults.push(...(await faultsAt(door)));
    expect(faults).toEqual([]);
  },
  60_000,
);
