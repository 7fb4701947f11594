import type { GraphQLSchema } from 'graphql';
import { asWork } from '../core/fair-share.ts';

/** The mutations by which agents get work, keep it, and say how it ended. */
const VERBS = [
  'registerAgent',
  'claimJob',
  'heartbeat',
  'appendLogs',
  'completeAttempt',
  'failAttempt',
  'releaseAttempt',
] as const;

/** All that agents say: those, and the subscription by which they are told. */
export const workFields: ReadonlySet<string> = new Set([...VERBS, 'agentSignals']);

/** Has those mutations wait for nobody who asks for anything else. What is shown of their results is asked for like everything else. */
export function keepWorkApart(schema: GraphQLSchema): GraphQLSchema {
  const fields = schema.getMutationType()?.getFields() ?? {};
  for (const verb of VERBS) {
    const field = fields[verb];
    const resolve = field?.resolve;
    if (field === undefined || resolve === undefined) throw new Error(`Expected a mutation ${verb}, got none`);
    field.resolve = (...args) => asWork((): unknown => resolve(...args));
  }
  return schema;
}
