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
    defaultUnionOptions: { name: ({ fieldName }) => `${capitalized(fieldName)}Result` },
  },
  relay: { cursorType: 'String', nodeQueryOptions: false, nodesOnConnection: true },
});

builder.queryType({ description: 'What can be read.' });
builder.mutationType({ description: 'What can be done: by people and programs, and by agents.' });
builder.subscriptionType({ description: 'What can be followed as it happens, over WebSocket and server-sent events.' });

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
