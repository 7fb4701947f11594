import SchemaBuilder from '@pothos/core';
import ErrorsPlugin from '@pothos/plugin-errors';
import RelayPlugin from '@pothos/plugin-relay';
import type { Context } from './context.ts';

type JSONObject = Record<string, unknown>;

/** The one builder. Every file of this folder adds a noun to it; `index.ts` makes the schema. */
export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSONObject: { Input: JSONObject; Output: JSONObject };
    BigInt: { Input: string; Output: string };
    URL: { Input: string; Output: string };
    Cursor: { Input: string; Output: string };
  };
}>({
  plugins: [ErrorsPlugin, RelayPlugin],
  defaultFieldNullability: false,
  errors: {
    directResult: true,
    defaultUnionOptions: {
      name: ({ fieldName }) => `${capitalized(fieldName)}Result`,
      description: 'What came of it: the success, or one of the failures that are to be expected.',
    },
  },
  relay: {
    cursorType: 'String',
    nodeQueryOptions: false,
    nodesOnConnection: { description: 'The same without their cursors.' },
    defaultConnectionTypeOptions: { description: 'A part of a list.' },
    defaultEdgeTypeOptions: { description: 'One element of a list, with its cursor.' },
    edgesFieldOptions: { description: 'The elements of this part, each with its cursor.' },
    pageInfoFieldOptions: { description: 'Where this part lies in the list.' },
    nodeFieldOptions: { description: 'The element.' },
    cursorFieldOptions: { description: 'Its place in the list. The text means nothing to a client.' },
    pageInfoTypeOptions: { description: 'Where a part lies in its list.' },
    hasNextPageFieldOptions: { description: 'Whether there is more after this part.' },
    hasPreviousPageFieldOptions: { description: 'Whether there is more before this part.' },
    startCursorFieldOptions: {
      description: 'Cursor of the first element; of an empty part, the one it was asked from.',
    },
    endCursorFieldOptions: { description: 'Cursor of the last element; of an empty part, the one it was asked from.' },
    firstArgOptions: { description: 'So many from the start, at most 1,000 (100).' },
    lastArgOptions: { description: 'So many from the end, at most 1,000.' },
    afterArgOptions: { description: 'Only what comes after this cursor.' },
    beforeArgOptions: { description: 'Only what comes before this cursor.' },
  },
});

builder.queryType({ description: 'What can be read.' });
builder.mutationType({ description: 'What can be done: by people and programs, and by agents.' });
builder.subscriptionType({ description: 'What can be followed as it happens, over WebSocket and server-sent events.' });

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
