import { pino, stdSerializers, type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import { createLogSink } from '../lib/output.ts';
import { currentAbout } from './about.ts';

export type { Logger };

/** What every line bears. */
const BASE = { program: 'server' };

/**
 * Structured lines, on stdout where nothing else is said; no request waits for who reads them. Keys and credentials never get in: what is
 * logged is named field by field.
 */
export function createLog(level: string, destination: DestinationStream = createLogSink(process.stdout, BASE)): Logger {
  const options: LoggerOptions = {
    level,
    base: BASE,
    serializers: { err: publicError },
    mixin: () => ({ ...currentAbout() }),
    redact: [
      'key',
      '*.key',
      'headers["x-kelpie-key"]',
      '*.headers["x-kelpie-key"]',
      'headers["salad-api-key"]',
      '*.headers["salad-api-key"]',
      ...['secret', 'masterKey', 'environment', 'connectionParams'].flatMap((name) => [name, `*.${name}`]),
      'authorization',
      '*.authorization',
    ],
  };
  return pino(options, destination);
}

/** PostgreSQL tells with its errors what stood in the row, secrets included: that stays out. */
function publicError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack, code, constraint, table } = stdSerializers.err(error) as Record<string, unknown>;
  const clean = (text: unknown): unknown => (typeof text === 'string' ? text.replace(ROW_CONTENTS, '') : text);
  return { type, message: clean(message), stack: clean(stack), code, constraint, table };
}

/** Only what stands within a line: what somebody sent may be in it, with line breaks by the thousand. */
const ROW_CONTENTS = /^[\t ]*(?:-[\t ]*)?(?:detail|where):.*$/gim;
