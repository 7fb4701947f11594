/** Of the network below the connection, as Node names its errors. */
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** Of PostgreSQL: connection exceptions, too many connections, shutting down, crashed, starting up. */
const SQLSTATE = /^(?:08\w{3}|53300|57P0[123])$/;

/**
 * A protocol violation. As an end of the connection it is the word of a pooler for whatever keeps it from the database, and older ones say
 * no more than that it is an error. As an error of one statement that names the routine which found it, it is PostgreSQL's verdict on
 * that: the same would be refused again.
 */
const VIOLATION = '08P01';

/** The driver has words for these, and no codes. */
const MESSAGE =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error)/;

/** An error's causes are looked through so deep, in case one is its own. */
const DEPTH = 6;

/** Of PostgreSQL: the statement was stopped, because its time was up. */
const STOPPED = '57014';

/** Whether a statement took longer than `statement_timeout` allows. */
export function isTimeUp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === STOPPED;
}

/** Of PostgreSQL: others had for longer than `lock_timeout` what the statement needs. */
const HELD_UP = '55P03';

/** Whether a statement, and its transaction with it, was given up because of what others held. */
export function isHeldUp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === HELD_UP;
}

/** Whether an error of a statement means that the database can't be reached, rather than that it has refused something. */
export function isDatabaseAway(error: unknown, depth = DEPTH): boolean {
  if (!(error instanceof Error) || depth === 0) return false;
  const code = 'code' in error ? error.code : undefined;
  if (code === VIOLATION) return isFatal(error) || !('routine' in error) || error.routine === undefined;
  if (typeof code === 'string' && (NETWORK.has(code) || SQLSTATE.test(code))) return true;
  if (MESSAGE.test(error.message)) return true;
  if (error instanceof AggregateError && error.errors.some((each) => isDatabaseAway(each, depth - 1))) return true;
  return isDatabaseAway(error.cause, depth - 1);
}

function isFatal(error: Error): boolean {
  return 'severity' in error && error.severity === 'FATAL';
}
