import { defaultFieldResolver, getNamedType, isObjectType, type GraphQLSchema } from 'graphql';
import { countTold } from '../core/fair-share.ts';

/** Of which types values may be long. */
const LONG: ReadonlySet<string> = new Set(['String', 'JSONObject', 'URL']);

/** Has all that may be long count each time that it is told: what was read once can be asked for again in each element of a list. */
export function countWhatIsTold(schema: GraphQLSchema): GraphQLSchema {
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  for (const type of types.filter(({ name }) => !name.startsWith('__'))) {
    for (const field of Object.values(type.getFields())) {
      if (!LONG.has(getNamedType(field.type).name)) continue;
      const resolve = field.resolve ?? defaultFieldResolver;
      field.resolve = (...args): unknown => {
        const value: unknown = resolve(...args);
        return value instanceof Promise ? value.then(counted) : counted(value);
      };
    }
  }
  return schema;
}

function counted(value: unknown): unknown {
  countTold(() => charactersOf(value));
  return value;
}

/** Of larger ones the size is remembered: they are what is told again and again. */
const LARGE = 1_000;
const sizes = new WeakMap<object, number>();

function charactersOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  const known = sizes.get(value);
  if (known !== undefined) return known;
  const size = JSON.stringify(value).length;
  if (size > LARGE) sizes.set(value, size);
  return size;
}
