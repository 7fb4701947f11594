import { isDatabaseAway, isHeldUp } from '../db/away.ts';
import { KelpieError, UnavailableError } from './errors.ts';

export { isDatabaseAway };

/**
 * The failure that whoever asked is told of, or undefined when the error is a fault of ours. That the database can't be
 * reached, or somebody holds something in it for long, is to be expected now and then.
 */
export function expectedFailure(error: unknown): KelpieError | undefined {
  if (error instanceof KelpieError) return error;
  // What was refused below the database's driver comes as the driver's own error, with what it carried.
  if (error instanceof Error && 'failure' in error && error.failure instanceof KelpieError) return error.failure;
  if (isHeldUp(error))
    return new UnavailableError('Others hold in the database what this needs, for seconds. Ask again.');
  if (!isDatabaseAway(error)) return undefined;
  return new UnavailableError(
    'The database does not answer just now. Ask again; what would change something may have been done all the same.',
  );
}
