import { type Logger, pino } from 'pino';
import { createLogSink } from '../lib/output.ts';

/** The agent's own log, in JSON, on stderr: neither heartbeats nor the end of a lease wait for who reads it. */
export function createLog(level: string): Logger {
  return pino({ level, base: null }, createLogSink(process.stderr));
}
