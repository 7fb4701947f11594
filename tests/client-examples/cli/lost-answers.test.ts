import { createServer, request } from 'node:http';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { listenLocally } from '../../../lib/port.ts';
import { startTestApp } from '../../support/app.ts';
import { ran } from './support.ts';

const app = await startTestApp();
afterAll(() => app.close());

/** What becomes of the next requests: done, and the answer is lost; not done, and put off; done and answered. */
type Fate = 'LOST' | 'BUSY' | 'ANSWERED';

/** Stands between the program and its server. After its fates are through, everything is answered. */
async function badNetwork(fates: Fate[]): Promise<string> {
  const network = createServer((incoming, outgoing) => {
    const fate = fates.shift() ?? 'ANSWERED';
    if (fate === 'BUSY') {
      outgoing.writeHead(503, { 'Retry-After': '0' }).end();
      return;
    }
    const { method, url = '/', headers } = incoming;
    const onward = request(new URL(url, app.url), { method: method ?? 'GET', headers }, (answer) => {
      if (fate === 'LOST') {
        answer.resume().on('end', () => incoming.socket.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  const port = await listenLocally(network);
  onTestFinished(() => {
    network.closeAllConnections();
    network.close();
  });
  return `http://127.0.0.1:${port}`;
}

async function person(...fates: Fate[]) {
  const { secret } = await app.account();
  const environment = { KELPIE_API_URL: await badNetwork(fates), KELPIE_API_KEY: secret };
  const cli = (...words: string[]) => ran(words, { environment });
  const count = async () => (await app.rest(secret, 'GET', '/jobs')).body;
  return { cli, count, fates };
}

test('a job whose answer was lost, twice, is submitted once', async () => {
  const { cli, count, fates } = await person('LOST', 'BUSY', 'LOST');
  const { exit, lines } = await cli('submit', '--group', 'g', '--', 'true');
  expect([exit, lines.length, fates]).toEqual([0, 1, []]);
  expect(await count()).toMatchObject({ _count: 1, jobs: [{ id: lines[0] }] });
});

test('a key whose answer was lost is not made a second time: that is told', async () => {
  const { cli } = await person('LOST');
  const { exit, out, err } = await cli('keys', 'create', '--role', 'viewer', '--name', 'once');
  expect([exit, out]).toEqual([4, '']);
  expect(err).toMatch(/does not answer.*It may have been done/);
  const { out: keys } = await cli('keys');
  expect(keys.match(/once/g)).toHaveLength(1);
});

test('a server that stays busy is asked four times, and then it is told', async () => {
  const { cli, fates } = await person('BUSY', 'BUSY', 'BUSY', 'BUSY', 'BUSY');
  const { exit, err } = await cli('list');
  expect([exit, fates.length]).toEqual([4, 1]);
  expect(err).toContain('is busy or away (answer 503)');
});
