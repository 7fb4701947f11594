import { demand } from '../core/accounts/keys.ts';
import type { Context } from './context.ts';

/**
 * Of a field that tells of the past, of others or of where things are told: for keys that may read. An agent's may not, and is handed
 * the job that it works on all the same, in the answers to its claims and reports.
 */
export function forReaders<Parent, Args, Result>(
  resolve: (parent: Parent, args: Args, context: Context) => Result,
): (parent: Parent, args: Args, context: Context) => Result {
  return (parent, args, context) => {
    demand(context.viewer, 'read');
    return resolve(parent, args, context);
  };
}
