import { resolve } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { GROUP } from './agent.ts';
import { BUCKET, startStack, type Stack } from './stack.ts';

/** The parts of the demo, without the show, until Ctrl-C; agents come and go by scaling rules. Database and keys stay in `.kelpie/dev`. */
const directory = resolve('.kelpie/dev');
const ROOM = 8;
/** Of the rule that a fresh database gets. */
const TERMS = { min_replicas: 0, max_replicas: 4, idle_threshold_seconds: 60 };

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());

try {
  const stack = await startStack({
    directory,
    agents: 0,
    room: ROOM,
    ports: { server: 4000, s3: 9000 },
    signal: stopping.signal,
    onStage: (name, ms) => say(`  ${name.padEnd(24)} ${(ms / 1_000).toFixed(1)} s`),
  });
  try {
    await ensureRule(stack);
    sayWhatThereIs(stack);
    await new Promise((done) => {
      if (stopping.signal.aborted) done(undefined);
      stopping.signal.addEventListener('abort', done);
    });
  } finally {
    say('\nStopping …');
    await stack.stop();
  }
} catch (error) {
  say(`Could not start: ${messageOf(error)}`);
  process.exitCode = 1;
}

/** A rule that there is already stays as it was made. */
async function ensureRule({ url, key }: Stack): Promise<void> {
  const response = await fetch(`${url}/scaling-rules`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': key },
    body: JSON.stringify({ container_group_id: GROUP, ...TERMS }),
  });
  const text = await response.text();
  if (response.status === 201 || response.status === 409) return;
  throw new Error(`POST /scaling-rules answered ${response.status}: ${text}`);
}

function sayWhatThereIs({ url, s3Url, key }: Stack): void {
  say(`
  page     ${url}, the dashboard; it asks for the key
  REST     ${url}
  GraphiQL ${url}/graphql
  docs     ${url}/docs
  S3       ${s3Url}, bucket ${BUCKET}, any key (in memory: it forgets when this ends)
  key      ${key}
  group    ${GROUP}, which a scaling rule keeps at the size of its queue
  logs     ${directory}/*.log, ${directory}/machines/*.log

Submit something; an agent starts for it, and leaves a minute after the last job:
  curl ${url}/jobs -H 'X-Kelpie-Key: ${key}' \\
    -d '{"command": "echo", "arguments": ["hello"], "container_group_id": "${GROUP}"}'

Let agents come for a group of your own, at most ${ROOM} in all:
  curl ${url}/scaling-rules -H 'X-Kelpie-Key: ${key}' \\
    -d '{"container_group_id": "mine", "max_replicas": 2, "idle_threshold_seconds": 10}'

Ctrl-C ends everything.`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
