import { pino, stdSerializers, type Logger } from 'pino';

export type { Logger };

/** Structured lines on stdout. Keys and credentials never get in: what is logged is named field by field. */
export function createLog(level: string): Logger {
  return pino({
    level,
    base: { program: 'server' },
    serializers: { err: publicError },
    redact: [
      'key',
      '*.key',
      'headers["x-kelpie-key"]',
      '*.headers["x-kelpie-key"]',
      'authorization',
      '*.authorization',
    ],
  });
}

/** PostgreSQL tells with its errors what stood in the row, secrets included: that stays out. */
function publicError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack, code, constraint, table } = stdSerializers.err(error) as Record<string, unknown>;
  const clean = (text: unknown): unknown => (typeof text === 'string' ? text.replace(ROW_CONTENTS, '') : text);
  return { type, message: clean(message), stack: clean(stack), code, constraint, table };
}

const ROW_CONTENTS = /^\s*-?\s*(?:detail|where):.*$/gim;
