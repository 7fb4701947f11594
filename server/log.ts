import { pino, type Logger } from 'pino';

export type { Logger };

/** Structured lines on stdout. Keys and credentials never get in: what is logged is named field by field. */
export function createLog(level: string): Logger {
  return pino({
    level,
    base: { program: 'server' },
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
