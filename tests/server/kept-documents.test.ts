import { createYoga, type Plugin } from 'graphql-yoga';
import { expect, test } from 'vitest';
import * as agent from '../../agent/generated/graphql.ts';
import * as cli from '../../client-examples/cli/generated/graphql.ts';
import { schema } from '../../schema/index.ts';
import { keptDocuments } from '../../server/kept-documents.ts';
import { defaultLimits } from '../../server/limits.ts';

/** Reads documents as a server does: parses and validates. */
function reader(kept: Plugin) {
  const { parse, validate } = createYoga({
    schema,
    plugins: [kept],
    parserAndValidationCache: false,
  }).getEnveloped({});
  return (text: string): { document: unknown; faults: number } => {
    const document: unknown = parse(text);
    const faults = validate(schema, document) as unknown[];
    return { document, faults: faults.length };
  };
}

const good = (number: number) => `query Q${number} { viewer { role } }`;

test('a document that comes again is the same', () => {
  const read = reader(keptDocuments());
  const first = read(good(1));
  expect(first.faults).toBe(0);
  expect(read(good(1))).toEqual({ document: first.document, faults: 0 });
  expect(read(good(1)).document).toBe(first.document);
  expect(read(good(2)).document).not.toBe(first.document);
});

test('one that is not valid is not kept, and not taken for valid', () => {
  const read = reader(keptDocuments());
  const first = read('{ nonsense }');
  const second = read('{ nonsense }');
  expect([first.faults, second.faults]).toEqual([1, 1]);
  expect(second.document).not.toBe(first.document);
});

test('what is kept is bounded by what it takes: the longest unused goes first', () => {
  // For some documents of a line.
  const read = reader(keptDocuments({ mostBytes: 20_000 }));
  const first = read(good(1)).document;
  const second = read(good(2)).document;
  expect(read(good(1)).document).toBe(first);
  for (const number of [3, 4, 5, 6]) read(good(number));
  expect(read(good(1)).document).toBe(first);
  expect(read(good(2)).document).not.toBe(second);
});

test.each([
  ['characters', `{ viewer { role } } # ${'x'.repeat(10_000)}`],
  ['tokens', `{ viewer { ${'role '.repeat(50)}} }`],
])('one that takes more than all others may is not kept, and drives out none: by its %s', (_what, large) => {
  const read = reader(keptDocuments({ mostBytes: 20_000 }));
  const first = read(good(1)).document;
  const { document, faults } = read(large);
  expect(faults).toBe(0);
  expect(read(large).document).not.toBe(document);
  expect(read(good(1)).document).toBe(first);
});

test('what our own programs send is far below the bound', () => {
  const documents = [agent, cli].flatMap((module) =>
    Object.entries(module).flatMap(([name, value]) => (name.endsWith('Document') ? [String(value)] : [])),
  );
  expect(documents.length).toBeGreaterThan(20);
  const longest = Math.max(...documents.map(({ length }) => length));
  expect(longest).toBeLessThan(defaultLimits.KELPIE_MAX_QUERY_CHARACTERS / 10);
});
