import {
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/** What an operation asks for. */
export interface Measures {
  /** Levels of fields; those of introspection are bounded by GraphQL's own rules. */
  depth: number;
  /** Fields that are asked for under another name. */
  aliases: number;
  /** Fields of the operation itself, as often as they are asked for. */
  rootFields: number;
  /** Elements of lists, at most: pages are taken to be full. */
  nodes: number;
}

/** What a page has where the operation does not say, and at most: as `schema/paging.ts` has it. */
const PAGE = { preset: 100, most: 1_000 };

/**
 * Measures an operation in time that grows with its text alone, however often its fragments are spread. A fragment that spreads
 * itself counts once: another rule refuses it.
 */
export function measure(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> = {},
): Measures {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions)
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  const known = new Map<string, Part>();
  const numbers = { ...presetsOf(operation), ...variables };

  const partOf = (set: SelectionSetNode | undefined): Part =>
    (set?.selections ?? [])
      .map((selection) => {
        switch (selection.kind) {
          case Kind.FIELD:
            return partOfField(selection, partOf(selection.selectionSet), numbers);
          case Kind.INLINE_FRAGMENT:
            return partOf(selection.selectionSet);
          case Kind.FRAGMENT_SPREAD:
            return partOfFragment(selection.name.value);
        }
      })
      .reduce(together, NOTHING);
  const partOfFragment = (name: string): Part => {
    const found = known.get(name);
    if (found !== undefined) return found;
    known.set(name, NOTHING);
    const part = partOf(fragments.get(name)?.selectionSet);
    known.set(name, part);
    return part;
  };

  const { depth, aliases, fields, fixed, perElement } = partOf(operation.selectionSet);
  return { depth, aliases, rootFields: fields, nodes: fixed + perElement };
}

/** Of a selection: what it costs by itself, and what for each element of the page that it is made on. */
interface Part {
  depth: number;
  aliases: number;
  /** In the selection itself, not in those of its fields. */
  fields: number;
  fixed: number;
  perElement: number;
}

const NOTHING: Part = Object.freeze({ depth: 0, aliases: 0, fields: 0, fixed: 0, perElement: 0 });

function together(one: Part, other: Part): Part {
  return {
    depth: Math.max(one.depth, other.depth),
    aliases: one.aliases + other.aliases,
    fields: one.fields + other.fields,
    fixed: one.fixed + other.fixed,
    perElement: one.perElement + other.perElement,
  };
}

function partOfField(field: FieldNode, inner: Part, numbers: Readonly<Record<string, unknown>>): Part {
  const name = field.name.value;
  const aliases = inner.aliases + (field.alias === undefined || field.alias.value === name ? 0 : 1);
  if (name.startsWith('__')) return { ...NOTHING, aliases, fields: 1 };
  const depth = inner.depth + 1;
  // The elements of a connection, which its parent's arguments count.
  if (name === 'nodes' || name === 'edges') {
    return { depth, aliases, fields: 1, fixed: 0, perElement: 1 + inner.fixed + inner.perElement };
  }
  const page = argument(field, ['first', 'last'], numbers) ?? PAGE.preset;
  const lines = argument(field, ['tail'], numbers) ?? 0;
  return { depth, aliases, fields: 1, fixed: lines + inner.fixed + page * inner.perElement, perElement: 0 };
}

function argument(
  field: FieldNode,
  names: readonly string[],
  numbers: Readonly<Record<string, unknown>>,
): number | undefined {
  const given = field.arguments?.filter(({ name }) => names.includes(name.value)) ?? [];
  const sizes = given.flatMap(({ value }) => {
    const size = value.kind === Kind.VARIABLE ? numbers[value.name.value] : 'value' in value ? value.value : undefined;
    const number = Number(size ?? NaN);
    return Number.isNaN(number) ? [] : [Math.min(Math.max(0, number), PAGE.most)];
  });
  return sizes.length === 0 ? undefined : Math.max(...sizes);
}

/** What its variables are where none are given. */
function presetsOf(operation: OperationDefinitionNode): Record<string, unknown> {
  const presets = (operation.variableDefinitions ?? []).flatMap(({ variable, defaultValue }) =>
    defaultValue !== undefined && 'value' in defaultValue ? [[variable.name.value, defaultValue.value] as const] : [],
  );
  return Object.fromEntries(presets);
}
