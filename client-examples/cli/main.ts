#!/usr/bin/env node
import { systemWorld } from './config.ts';
import { EXIT } from './exits.ts';
import { run } from './program.ts';

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
// Whoever reads our output may have had enough, as `head` has.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stopping.abort());

const exit = await run(process.argv.slice(2), systemWorld(stopping.signal));
// Output to a pipe is written in its own time: it ends with the process only when it is out.
process.exitCode = exit;

/** The second one does not wait for anything. */
function onSignal(): void {
  if (stopping.signal.aborted) process.exit(EXIT.INTERRUPTED);
  stopping.abort();
}
