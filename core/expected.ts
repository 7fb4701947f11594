import { isDatabaseAway } from '../db/away.ts';
import { KelpieError, UnavailableError } from './errors.ts';

/**
 * The failure that whoever asked is told of, or undefined when the error is a fault of ours. That the database can't be
 * reached is to be expected now and then.
 */
export function expectedFailure(error: unknown): KelpieError | undefined {
  if (error instanceof KelpieError) return error;
  if (!isDatabaseAway(error)) return undefined;
  return new UnavailableError(
    'The database does not answer just now. Ask again; what would change something may have been done all the same.',
  );
}
