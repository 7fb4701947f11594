import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { freePort } from '../../lib/port.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { openTestCore, type TestCore } from '../support/core.ts';
import { startProgram, type TestProgram } from '../support/program.ts';
import { until } from '../support/until.ts';

/** How many events the burst has; a longer run is made by hand. */
const EVENTS = Number(process.env.KELPIE_TEST_EVENTS ?? 10_000);
const JOBS_A_BATCH = 100;
const MAIN = join(import.meta.dirname, '../../server/main.ts');

let base: TestCore;
let directory: string;
const servers: { url: string; program: TestProgram }[] = [];
beforeAll(async () => {
  base = await openTestCore();
  directory = await makeTemporaryDirectory('kelpie-takeover-');
  for (let index = 0; index < 2; index++) servers.push(await startServer());
});
afterAll(async () => {
  await Promise.all(servers.map(({ program }) => program.vanish()));
  await base.close();
  await rm(directory, { recursive: true, force: true });
});

async function startServer() {
  const port = await freePort();
  const program = startProgram(process.execPath, [MAIN], {
    workingDirectory: directory,
    environment: {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: base.database.url,
      KELPIE_MASTER_KEY: 'master key of the tests',
      KELPIE_PORT: String(port),
      KELPIE_DATABASE_CONNECTIONS: '4',
    },
  });
  await program.line((line) => line.includes('"msg":"Listening"'));
  return { url: `http://127.0.0.1:${port}`, program };
}

const told = z.object({
  jobEvents: z.object({ __typename: z.literal('JobEvent'), cursor: z.string(), jobId: z.string(), seq: z.number() }),
});
type Told = z.infer<typeof told>['jobEvents'];

/** Follows the account's feed at one server, until its connection breaks or it is left. */
function follow(url: string, key: string, after: string | undefined, heard: Told[]) {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-Kelpie-Key': key },
    retryAttempts: 0,
  });
  const query = `subscription ($after: Cursor) {
    jobEvents(after: $after) { __typename ... on JobEvent { cursor jobId seq } ... on EventGap { message } } }`;
  const ended = (async () => {
    for await (const { data } of client.iterate({ query, variables: { after } })) {
      heard.push(told.parse(data).jobEvents);
    }
  })();
  return { ended, leave: () => client.dispose() };
}

async function graphql(url: string, key: string, query: string, variables: object = {}): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': key },
    body: JSON.stringify({ query, variables }),
  });
  return z.object({ data: z.unknown() }).parse(await response.json()).data;
}

/** Batches of jobs to whichever server is there, several at a time; for one whose answer was lost, another one is sent. */
async function burst(key: string): Promise<void> {
  const input = Array.from({ length: JOBS_A_BATCH }, () => ({ command: 'true', containerGroupId: 'group' }));
  const query = 'mutation ($input: [SubmitJobInput!]!) { submitJobs(input: $input) { __typename } }';
  let left = EVENTS / JOBS_A_BATCH;
  const sender = async (first: number): Promise<void> => {
    for (let turn = first; left > 0; turn++) {
      left -= 1;
      const server = servers[turn % servers.length];
      if (server === undefined) return;
      await graphql(server.url, key, query, { input }).catch(() => (left += 1));
    }
  };
  await Promise.all(Array.from({ length: 4 }, (_, index) => sender(index)));
}

test(
  'Rule 12: a follower whose server is killed in a burst resumes at another, and has every event once, in order',
  { timeout: 180_000 },
  async () => {
    const { secret } = await base.account();
    const [first, second] = servers;
    if (first === undefined || second === undefined) throw new Error('Expected two servers');
    const begun = performance.now();
    const cursor = z.object({ feedCursor: z.string() }).parse(await graphql(first.url, secret, '{ feedCursor }'));
    const heard: Told[] = [];
    const before = follow(first.url, secret, cursor.feedCursor, heard);
    const sending = burst(secret);
    await until('a third of the events', () => heard.length > EVENTS / 3, 90_000);
    first.program.signal('SIGKILL');
    await expect(before.ended).rejects.toBeDefined();
    const heardBefore = heard.length;
    expect(heardBefore).toBeLessThan(EVENTS);
    const after = follow(second.url, secret, heard.at(-1)?.cursor, heard);
    await sending;
    const rows = await base.database.query<{ job_id: string; seq: number }>(
      'select job_id, seq from job_events order by xid, id',
    );
    await until('all events', () => heard.length >= rows.length, 90_000);
    expect(rows.length).toBeGreaterThanOrEqual(EVENTS);
    expect(heard.map(({ jobId, seq }) => [jobId, seq])).toEqual(rows.map(({ job_id, seq }) => [job_id, seq]));
    await after.leave();
    await after.ended;
    process.stdout.write(
      `${rows.length} events, ${heardBefore} of them before the kill, in ${Math.round(performance.now() - begun)} ms\n`,
    );
  },
);
