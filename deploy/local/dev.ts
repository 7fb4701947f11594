import { resolve } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { GROUP, startStack } from './stack.ts';

/** The parts of the demo, without the show, until Ctrl-C. Database and keys stay in `.kelpie/dev`. */
const directory = resolve('.kelpie/dev');
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());

try {
  const stack = await startStack({
    directory,
    agents: 2,
    ports: { server: 4000, s3: 9000 },
    signal: stopping.signal,
    onStage: (name, ms) => say(`  ${name.padEnd(24)} ${(ms / 1_000).toFixed(1)} s`),
  });
  say(`
  API      ${stack.url}
  GraphiQL ${stack.url}/graphql
  docs     ${stack.url}/docs
  S3       ${stack.s3Url} (in memory: it forgets when this ends)
  key      ${stack.key}
  group    ${GROUP}
  logs     ${directory}/*.log

Submit something:
  curl ${stack.url}/jobs -H 'X-Kelpie-Key: ${stack.key}' \\
    -d '{"command": "echo", "arguments": ["hello"], "container_group_id": "${GROUP}"}'

Ctrl-C ends everything.`);
  await new Promise((done) => stopping.signal.addEventListener('abort', done));
  say('\nStopping …');
  await stack.stop();
} catch (error) {
  say(`Could not start: ${messageOf(error)}`);
  process.exitCode = 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
