import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { ADMIN_KEY, MASTER_KEY } from '../support/core.ts';
import { createDatabase } from '../support/database.ts';
import { startProgram } from '../support/program.ts';

const SERVER = join(import.meta.dirname, '../../server/main.ts');
/** Each of which makes so many lines, as many as it may have fields; all together are more than a pipe and the server keep for who does not read. */
const OPERATIONS = 40;
const LINES_EACH = 20;
const FAILING = `{ ${Array.from({ length: LINES_EACH }, (_, n) => `a${n}: job(id: "${randomUUID()}") { id }`).join(' ')} }`;
const said = z.object({
  msg: z.string(),
  program: z.literal('server'),
  url: z.string().optional(),
  request_id: z.string().optional(),
  lines: z.number().optional(),
});

const database = await createDatabase();
const directory = await makeTemporaryDirectory('kelpie-log-');
afterAll(async () => {
  await database.drop();
  await rm(directory, { recursive: true });
});

/** A server whose log goes into a pipe, as a container's does, and who reads that. */
function startLogging() {
  const pipe = join(directory, 'log');
  execFileSync('mkfifo', [pipe]);
  // To write as well: so it has no end when nobody else has it open.
  const reader = new Socket({ fd: openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK), writable: false });
  onTestFinished(() => void reader.destroy());
  const log = createInterface(reader);
  const lines = log[Symbol.asyncIterator]();
  const server = startProgram('sh', ['-c', `exec "$0" "$1" > "$2"`, process.execPath, SERVER, pipe], {
    environment: {
      ...{ DATABASE_URL: database.url, KELPIE_MASTER_KEY: MASTER_KEY, KELPIE_ADMIN_KEY: ADMIN_KEY, KELPIE_PORT: '0' },
      KELPIE_LOG_LEVEL: 'debug',
    },
    workingDirectory: directory,
  });
  onTestFinished(() => server.vanish());
  /** Reads up to the first line that says `msg`; resolves to all of them. */
  const readTo = async (msg: string) => {
    const all: z.infer<typeof said>[] = [];
    while (all.at(-1)?.msg !== msg) all.push(said.parse(JSON.parse(String((await lines.next()).value))));
    return all;
  };
  return { server, log, readTo };
}

test(
  'a server whose log nobody reads answers all the same, says later what of it was lost, and its last words',
  { timeout: 60_000 },
  async () => {
    const { server, log, readTo } = startLogging();
    const { url = '' } = (await readTo('Listening')).at(-1) ?? {};
    log.pause();
    await database.query('alter table jobs rename to gone');
    const operate = async (number: number): Promise<number> => {
      const headers = {
        'X-Kelpie-Key': ADMIN_KEY,
        'X-Request-Id': `operation-${number}`,
        'Content-Type': 'application/json',
      };
      const answer = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query: FAILING }),
      });
      const { errors } = z.object({ errors: z.array(z.unknown()) }).parse(await answer.json());
      return errors.length;
    };
    for (let number = 1; number <= OPERATIONS; number++) expect(await operate(number)).toBe(LINES_EACH);
    await database.query('alter table gone rename to jobs');

    log.resume();
    const all = await readTo('Lines of this log were lost here, as nobody read it');
    const kept = all.filter(({ msg }) => msg === 'An operation failed');
    const lost = all.at(-1)?.lines ?? 0;
    expect(lost).toBeGreaterThan(0);
    // The last one of all follows.
    expect(kept.length + lost + 1).toBeGreaterThanOrEqual(OPERATIONS * LINES_EACH);
    expect(kept[0]?.request_id).toBe('operation-1');
    server.signal('SIGTERM');
    await readTo('Stopped');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  },
);
