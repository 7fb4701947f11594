import { readFileSync } from 'node:fs';
import {
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  validateSchema,
  type GraphQLNamedType,
} from 'graphql';
import { expect, test } from 'vitest';
import { printedSchema, schema } from '../../schema/index.ts';

test('the schema is valid', () => {
  expect(validateSchema(schema)).toEqual([]);
});

test('the committed schema is the one that is served; npm run codegen prints it anew', () => {
  expect(printedSchema()).toBe(readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));
});

test('every type, field, argument and enum value is described', () => {
  const own = Object.values(schema.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
  );
  expect(own.length).toBeGreaterThan(30);
  expect(own.flatMap(undescribed)).toEqual([]);
});

interface Described {
  name: string;
  description?: string | null | undefined;
}

function undescribed(type: GraphQLNamedType): string[] {
  const mute = (within: string, things: readonly Described[]): string[] =>
    things.filter((thing) => (thing.description ?? '') === '').map((thing) => `${within}${thing.name}`);
  const own = mute('', [type]);
  if (isEnumType(type)) return [...own, ...mute(`${type.name}.`, type.getValues())];
  if (isInputObjectType(type)) return [...own, ...mute(`${type.name}.`, Object.values(type.getFields()))];
  if (!isObjectType(type) && !isInterfaceType(type)) return own;
  const fields = Object.values(type.getFields());
  return [
    ...own,
    ...mute(`${type.name}.`, fields),
    ...fields.flatMap((field) => mute(`${type.name}.${field.name}: `, field.args)),
  ];
}

test('every mutation answers with a union of its success and its expected failures', () => {
  const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});
  for (const { name, type } of mutations) {
    expect(String(type)).toBe(`${name.charAt(0).toUpperCase()}${name.slice(1)}Result!`);
  }
  expect(mutations.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['submitJob', 'submitJobs', 'cancelJob', 'retryJob', 'claimJob', 'heartbeat']),
  );
});
