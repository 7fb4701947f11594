import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openLink } from '../chaos/proxy.ts';
import { MASTER_KEY } from '../support/core.ts';
import { createDatabase } from '../support/database.ts';
import { startProgram } from '../support/program.ts';

const SERVER = join(import.meta.dirname, '../../server/main.ts');
const database = await createDatabase({ empty: true });
const direct = new URL(database.url);
/** The line between the server and its database, which is not there yet. */
const line = await openLink(() => Number(direct.port));
line.set({ is: 'CUT' });
const through = new URL(database.url);
through.port = String(line.port);

afterAll(async () => {
  await line.close();
  await database.drop();
});

function startServer() {
  return startProgram(process.execPath, [SERVER], {
    environment: { DATABASE_URL: through.href, KELPIE_MASTER_KEY: MASTER_KEY, KELPIE_PORT: '0' },
    workingDirectory: import.meta.dirname,
  });
}

const isWaiting = (text: string) => text.includes('does not answer yet');

describe('a server that is started before its database', () => {
  test('ends when it is told to while it waits', async () => {
    const server = startServer();
    await server.line(isWaiting);
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  });

  test('waits for it, makes its tables, and serves', async () => {
    const server = startServer();
    await server.line(isWaiting);
    line.set({ is: 'OPEN' });
    const { url } = JSON.parse(await server.line((text) => text.includes('Listening'))) as { url: string };
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(server.lines.join('\n')).not.toContain(`:${through.password}@`);
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
  });

  test('does not wait for one that refuses it', async () => {
    const absent = new URL(database.url);
    absent.pathname = '/there-is-none';
    const server = startProgram(process.execPath, [SERVER], {
      environment: { DATABASE_URL: absent.href, KELPIE_MASTER_KEY: MASTER_KEY, KELPIE_PORT: '0' },
      workingDirectory: import.meta.dirname,
    });
    expect(await server.ended).toEqual({ code: 2, signal: null });
    expect(server.lines.join('\n')).toContain('there-is-none');
  });
});
