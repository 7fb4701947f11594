import fc from 'fast-check';
import type { Document, Schema } from '../support/openapi.ts';

/** Values for a schema of the document: such as it takes, such as are wrong in one place, and such as have nothing to do with it. */
export interface Values {
  valid(schema: Schema, name?: string): fc.Arbitrary<unknown>;
  nearly(schema: Schema): fc.Arbitrary<unknown>;
}

/** By the field's name, where its schema alone would hardly ever give a value that means something. Few, so that they meet again. */
const NAMED: Record<string, fc.Arbitrary<unknown>> = {
  machine_id: fc.constantFrom('m0', 'm1', 'm2'),
  container_group_id: fc.constantFrom('g0', 'g1', 'g2'),
  webhook: fc.constantFrom('http://127.0.0.1:9/hook', 'https://localhost:9/'),
  pattern: fc.constantFrom('*.bin', 'checkpoint-*', '^a+$', '(a|b)', '**/x'),
  prefix: fc.constantFrom('', 'a', 'a/b/', 'é/ü'),
  // The first place of jobs, and of events.
  after: fc.constantFrom(...['p:0', '0:0'].map((place) => Buffer.from(place).toString('base64url'))),
  // Nobody waits here.
  prefer: fc.constantFrom('wait=0', 'respond-async', 'wait=x', ''),
  'idempotency-key': fc.constantFrom('k0', 'k1', 'k2', 'k3'),
  min_replicas: fc.constantFrom(0, 1, 2),
  page: fc.integer({ min: 1, max: 3 }),
};

export function valuesOf(document: Document): Values {
  const resolved = (schema: Schema): Schema => {
    const reference = schema.$ref;
    if (typeof reference !== 'string') return schema;
    const name = reference.split('/').at(-1) ?? '';
    const found = document.components.schemas[name];
    if (found === undefined) throw new Error(`The document refers to ${reference}, which it does not have`);
    return found;
  };

  const valid = (given: Schema, name = ''): fc.Arbitrary<unknown> => {
    // An answer that goes on until a job has ended is another test's.
    if (name === 'follow') return fc.constant(false);
    const schema = resolved(given);
    const own = ofSchema(schema, name);
    // What is shown as an example, and what has a name, is what clients send.
    const likely = NAMED[name] ?? (schema.example === undefined ? undefined : fc.constant(schema.example));
    return likely === undefined ? own : fc.oneof({ weight: 3, arbitrary: likely }, { weight: 1, arbitrary: own });
  };

  const ofSchema = (schema: Schema, name: string): fc.Arbitrary<unknown> => {
    if (Array.isArray(schema.enum)) return fc.constantFrom<unknown>(...(schema.enum as unknown[]));
    const types = [schema.type].flat();
    return fc.oneof(...types.map((type) => ofType(type, schema, name)));
  };

  const ofType = (type: unknown, schema: Schema, name: string): fc.Arbitrary<unknown> => {
    const at = (key: string, otherwise: number) => (typeof schema[key] === 'number' ? schema[key] : otherwise);
    switch (type) {
      case 'null':
        return fc.constant(null);
      case 'boolean':
        return fc.boolean();
      case 'integer':
        return fc.integer({ min: at('minimum', -(2 ** 31)), max: at('maximum', 2 ** 31 - 1) });
      case 'array':
        return fc.array(valid((schema.items ?? {}) as Schema), {
          minLength: at('minItems', 0),
          maxLength: Math.min(4, at('maxItems', 4)),
        });
      case 'object':
        return ofObject(schema);
      case 'string':
        if (schema.pattern === '^[^/\\s]+$') return fc.stringMatching(/^[a-z0-9.-]{3,20}$/);
        return text({ minLength: at('minLength', 0), maxLength: Math.min(300, at('maxLength', 30)) });
      default:
        throw new Error(`The schema of ${name} has the type ${String(type)}, which is not known here`);
    }
  };

  const ofObject = (schema: Schema): fc.Arbitrary<unknown> => {
    const properties = (schema.properties ?? {}) as Record<string, Schema>;
    const fields = Object.entries(properties).map(([name, inner]) => [name, valid(inner, name)] as const);
    const additional = schema.additionalProperties;
    if (fields.length === 0 && typeof additional === 'object' && additional !== null) {
      return fc.dictionary(text({ minLength: 1, maxLength: 20 }), valid(additional as Schema), { maxKeys: 3 });
    }
    const required = Array.isArray(schema.required) ? (schema.required as string[]) : [];
    return fc.record(Object.fromEntries(fields), { requiredKeys: required });
  };

  const nearly = (schema: Schema): fc.Arbitrary<unknown> =>
    fc
      .tuple(valid(schema), fc.nat(), fc.constantFrom('replace', 'remove', 'add'), junk())
      .map(([value, place, change, wrong]) => changed(value, place, change, wrong));

  return { valid, nearly };
}

/** Made once: fast-check builds a table of all of Unicode for it. */
export const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 });

/** Of those that are known to be trouble more often than chance would have it. */
const unit = fc.oneof(
  { weight: 20, arbitrary: character },
  fc.constantFrom('\0', '\ud800', '\udfff', '\u2028', '\ufeff', '/', '%', "'", '"', '\\', '🐕', 'e\u0301'),
);

/** Any text that JSON can carry. */
function text(bounds: { minLength: number; maxLength: number }): fc.Arbitrary<string> {
  return fc.string({ unit, ...bounds });
}

/** Values of every kind that parsers, validators and databases have fallen over. */
export function junk(): fc.Arbitrary<unknown> {
  return fc.oneof(
    fc.constantFrom<unknown>(null, true, '', 0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e300, -0, [], {}, [[]]),
    fc.constantFrom<unknown>(
      '\0',
      'a\0b',
      '\ud83d',
      'x'.repeat(5_000),
      '../../etc/passwd',
      "'; drop table jobs; --",
      '%00',
      'NaN',
    ),
    fc.constantFrom<unknown>(
      { constructor: 'x' },
      { toString: 'x', hasOwnProperty: 'y', then: 'z' },
      { length: 1e9 },
      { '': '' },
    ),
    fc.jsonValue({ maxDepth: 3 }),
  );
}

/** One place of a value, chosen by number, changed. */
function changed(value: unknown, place: number, change: 'replace' | 'remove' | 'add', wrong: unknown): unknown {
  const copy = { root: structuredClone(value) };
  const places = placesOf(copy);
  const chosen = places[place % places.length];
  if (chosen === undefined) return wrong;
  const { holder, name } = chosen;
  if (change === 'remove' && name !== 'root') Reflect.deleteProperty(holder, name);
  else if (change === 'add') Reflect.set(holder, name === 'root' ? name : `${name}_`, wrong);
  else Reflect.set(holder, name, wrong);
  return copy.root;
}

function placesOf(holder: object): { holder: object; name: string }[] {
  return Object.entries(holder).flatMap(([name, inner]) => {
    const deeper = typeof inner === 'object' && inner !== null ? placesOf(inner as object) : [];
    return [{ holder, name }, ...deeper];
  });
}
