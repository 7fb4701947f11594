/** Data that cannot be stored as such (a number out of range, a text with a zero character), what a constraint forbids, and what is too large or too deep. */
const SQLSTATE = /^(?:22|23|54)\w{3}$/;

/**
 * Whether PostgreSQL has refused a statement because of what it was given, and not because of its own state: again it would be refused again,
 * and without that it would not be. Nothing of it was written.
 */
export function isRefusedForItsData(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && SQLSTATE.test(error.code);
}

/** Whether PostgreSQL has given a statement up because of `statement_timeout`, or because somebody has ended it (57014). Nothing of it was written. */
export function hasTakenTooLong(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '57014';
}

/** Whether PostgreSQL has refused a statement for want of a right (42501). */
export function isForbidden(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '42501';
}
