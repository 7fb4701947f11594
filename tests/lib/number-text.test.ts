import { expect, test } from 'vitest';
import { z } from 'zod';
import { numberText } from '../../lib/number-text.ts';

const port = numberText({ whole: true, min: 0, max: 65_535 });
const seconds = numberText({ whole: false, min: 0.5 });

test('a text is the number that it writes', () => {
  expect([port.parse('0'), port.parse(' 4000 '), seconds.parse('2.5')]).toEqual([0, 4_000, 2.5]);
});

test.for([
  [port, '65536', 'expected a whole number from 0 to 65535, got "65536"'],
  [port, '1.5', 'expected a whole number from 0 to 65535, got "1.5"'],
  [port, 'http', 'expected a whole number from 0 to 65535, got "http"'],
  [port, ' ', 'expected a whole number from 0 to 65535, got " "'],
  [port, 'kelpie_0123456789abcdef', 'expected a whole number from 0 to 65535, got a text of 23 characters'],
  [seconds, '0', 'expected a number of at least 0.5, got "0"'],
  [seconds, 'Infinity', 'expected a number of at least 0.5, got "Infinity"'],
] as const)('%#: %s is refused with the whole range', ([schema, text, words]) => {
  expect(schema.safeParse(text).error?.issues.map(({ message }) => message)).toEqual([words]);
});

test('its bounds are in its JSON Schema, from which the page of settings is printed', () => {
  const document = z.toJSONSchema(z.object({ PORT: port.default(1) }), { io: 'input', unrepresentable: 'any' });
  expect(document.properties).toMatchObject({ PORT: { minimum: 0, maximum: 65_535 } });
});
