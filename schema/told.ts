import {
  defaultFieldResolver,
  getNamedType,
  getNullableType,
  isAbstractType,
  isListType,
  isObjectType,
  Kind,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  type SelectionSetNode,
} from 'graphql';
import { countTold, refusalToTell } from '../core/fair-share.ts';

/** Of which types values may be long. */
const LONG: ReadonlySet<string> = new Set(['String', 'JSONObject', 'URL']);

/**
 * Each field of an object in a list counts as so many characters, however short it is: it costs as much in memory, and half a million of them
 * keep a server from everything else for half a second.
 */
const SHORTEST = 64;

/**
 * Has all count that may be long, and lists of objects, each time that they are told: what was read once can be asked for again in each element
 * of a list, and in the elements of that.
 */
export function countWhatIsTold(schema: GraphQLSchema): GraphQLSchema {
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  for (const type of types.filter(({ name }) => !name.startsWith('__'))) {
    for (const field of Object.values(type.getFields())) {
      const counted = counterOf(field.type);
      if (counted === undefined) continue;
      const resolve = field.resolve ?? defaultFieldResolver;
      field.resolve = (source, args, context, info): unknown => {
        const value: unknown = resolve(source, args, context, info);
        return value instanceof Promise ? value.then((told) => counted(told, info)) : counted(value, info);
      };
    }
  }
  return schema;
}

/** Undefined where values are short, and no lists. What it gives is shown. */
function counterOf(type: GraphQLOutputType): ((value: unknown, info: GraphQLResolveInfo) => unknown) | undefined {
  const named = getNamedType(type);
  if (LONG.has(named.name)) {
    return (value) => {
      countTold(() => charactersOf(value));
      return value;
    };
  }
  if (!isListType(getNullableType(type)) || !(isObjectType(named) || isAbstractType(named))) return undefined;
  return (value, info) => {
    countTold(() => sizeOfElements(value, info));
    // What is refused as a whole need not be made.
    return refusalToTell() === undefined ? value : [];
  };
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

function sizeOfElements(value: unknown, { fieldNodes, fragments }: GraphQLResolveInfo): number {
  if (!Array.isArray(value)) return 0;
  const fields = fieldNodes.reduce((sum, { selectionSet }) => sum + fieldsIn(selectionSet, fragments), 0);
  return value.length * fields * SHORTEST;
}

const found = new WeakMap<SelectionSetNode, number>();

/** How many there are on all levels, each time that a fragment is spread. */
function fieldsIn(set: SelectionSetNode | undefined, fragments: GraphQLResolveInfo['fragments']): number {
  if (set === undefined) return 0;
  const known = found.get(set);
  if (known !== undefined) return known;
  const fields = set.selections
    .map((selection) => {
      switch (selection.kind) {
        case Kind.FIELD:
          return 1 + fieldsIn(selection.selectionSet, fragments);
        case Kind.INLINE_FRAGMENT:
          return fieldsIn(selection.selectionSet, fragments);
        case Kind.FRAGMENT_SPREAD:
          return fieldsIn(fragments[selection.name.value]?.selectionSet, fragments);
      }
    })
    .reduce((sum, count) => sum + count, 0);
  found.set(set, fields);
  return fields;
}
