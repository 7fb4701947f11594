import { expect, test } from 'vitest';
import { z } from 'zod';
import { clause, shown } from '../../lib/faults.ts';

const SECRET = 'kelpie_0123456789abcdef';

function faultOf(schema: z.ZodType, input: unknown): string | undefined {
  return schema.safeParse(input).error?.issues[0]?.message;
}

test.for([
  ['a text', z.string(), 5, 'Expected a text, got a number'],
  ['what is missing', z.object({ a: z.string() }), {}, 'Expected a text, got nothing'],
  ['null', z.boolean(), null, 'Expected true or false, got null'],
  ['a list', z.array(z.string()), 'a,b', 'Expected a list, got a text'],
  ['an object', z.record(z.string(), z.string()), [1], 'Expected an object, got a list'],
  ['a fraction', z.int(), 1.5, 'Expected a whole number, got 1.5'],
  ['a high number', z.int().max(5), 7, 'Expected at most 5, got 7'],
  ['a low number', z.number().gt(0), -1, 'Expected more than 0, got -1'],
  ['a long text', z.string().max(3), SECRET, 'Expected at most 3 characters, got 23'],
  ['an empty text', z.string().min(1), '', 'Expected at least 1 character, got 0'],
  ['a long list', z.array(z.int()).max(1), [1, 2], 'Expected at most 1 entry, got 2'],
  ['another word', z.enum(['up', 'down']), 'left', 'Expected one of up, down, got "left"'],
  ['another kind of word', z.literal('up'), 3, 'Expected up, got a number'],
  ['a UUID', z.uuid(), SECRET, 'Expected a UUID'],
  ['a form', z.string().regex(/^a+$/), SECRET, 'Expected a text of the form /^a+$/'],
  ['a strange field', z.strictObject({}), { b: SECRET }, 'Unknown: b. Remove it, or check its spelling'],
  ['a name', z.record(z.string().min(2), z.string()), { a: '' }, expect.stringContaining('expected at least 2 ch')],
  [
    'one of several forms',
    z.union([z.string(), z.null()]),
    1,
    'None of the forms that this may have fits: got a number',
  ],
] as const)('of %s it is said what was expected, and what came', ([, schema, input, words]) => {
  expect(faultOf(schema, input)).toEqual(words);
});

test('a schema’s own words come first', () => {
  expect(faultOf(z.int({ error: 'Expected a count' }), 'x')).toBe('Expected a count');
});

test.for([
  z.string().max(3),
  z.enum(['up']),
  z.uuid(),
  z.int(),
  z.array(z.int()),
  z.strictObject({}),
  z.record(z.uuid(), z.string()),
])('nothing is quoted that is as long as a secret: schema %#', (schema) => {
  for (const input of [SECRET, [SECRET], { a: SECRET }]) {
    expect(JSON.stringify(schema.safeParse(input).error?.issues.map(({ message }) => message) ?? [])).not.toContain(
      SECRET,
    );
  }
});

test('a number where a text was meant is not quoted: it may be a password', () => {
  expect(faultOf(z.record(z.string(), z.string()), { PIN: 271828 })).not.toContain('271828');
});

test('what came is shown in quotes while it is short, and a fault behind a colon begins small', () => {
  expect([shown('loud'), shown(''), shown(SECRET)]).toEqual(['"loud"', 'an empty text', 'a text of 23 characters']);
  expect(clause('Expected a text')).toBe('expected a text');
});
