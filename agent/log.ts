import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';

/** Bytes that may wait for who reads the log, besides what the system holds for him. */
const MOST_WAITING_BYTES = 2 ** 20;

/**
 * The agent's own log, in JSON. What is written is out at once where somebody reads; where nobody does, nothing waits for him, neither
 * heartbeats nor the end of a lease: a MiB of lines is kept for him, and of what comes then only how much it was.
 */
export function createLog(level: string, sink: Writable = process.stderr): Logger {
  let lost = 0;
  // Of a level of its own: what is lost is told also where nothing but errors is.
  const notices = pino({ level: 'warn', base: null }, { write: (line: string) => void sink.write(line) });
  return pino(
    { level, base: null },
    {
      write(line: string) {
        if (sink.writableLength > MOST_WAITING_BYTES) {
          lost += 1;
          return;
        }
        const before = lost;
        lost = 0;
        if (before > 0) notices.warn({ lines: before }, 'Lines of this log were lost here, as nobody read it');
        sink.write(line);
      },
    },
  );
}
