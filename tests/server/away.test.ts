import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openCore } from '../../core/open.ts';
import { createApp } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import { openLink } from '../chaos/proxy.ts';
import { openTestCore } from '../support/core.ts';
import { problemIn, submission } from '../support/rest.ts';
import { until } from '../support/until.ts';

const { database, account, close } = await openTestCore();
const direct = new URL(database.url);
/** The line between the server and its database. */
const line = await openLink(() => Number(direct.port));
const through = new URL(database.url);
through.hostname = '127.0.0.1';
through.port = String(line.port);
const core = await openCore({
  databaseUrl: through.href,
  masterKey: 'master key of the tests',
  onError: () => undefined,
});
const app = createApp({ core, log: createLog('silent') });
const url = await app.start({ host: '127.0.0.1', port: 0 });
const { secret } = await account();

afterAll(async () => {
  await app.stop();
  await core.close();
  await line.close();
  await close();
});

const rest = (method: string, path: string, body?: object) =>
  fetch(`${url}${path}`, {
    method,
    headers: { 'X-Kelpie-Key': secret },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const graphql = (query: string) =>
  fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': secret, 'Content-Type': 'application/json' },
    body: JSON.stringify({ query }),
  });

describe('while the database is away', () => {
  test('requests are answered with 503 and when to ask again, and nothing of the inside; then it goes on', async () => {
    expect((await rest('GET', '/jobs')).status).toBe(200);
    line.set({ is: 'CUT' });

    for (const [method, path, body] of [
      ['GET', '/jobs', undefined],
      ['POST', '/jobs', submission()],
      ['GET', '/readyz', undefined],
    ] as const) {
      const answer = await rest(method, path, body);
      expect([path, answer.status, answer.headers.get('retry-after')]).toEqual([path, 503, '1']);
      const text = await answer.text();
      problemIn(JSON.parse(text));
      expect(text).not.toContain(String(line.port));
    }

    const answer = await graphql('{ jobs { totalCount } }');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    const text = await answer.text();
    expect(text).toContain('"code":"UNAVAILABLE"');
    expect(text).not.toContain(String(line.port));

    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: { 'X-Kelpie-Key': secret } }));
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect(code).toBe(1013);
    expect(reason.toString()).not.toContain(String(line.port));

    line.set({ is: 'OPEN' });
    await until('the server to serve again', async () => (await rest('GET', '/jobs')).status === 200);
  });
});
