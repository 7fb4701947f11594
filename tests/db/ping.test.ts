import { afterAll, expect, onTestFinished, test } from 'vitest';
import { isDatabaseAway } from '../../db/away.ts';
import { createPing } from '../../db/ping.ts';
import { openLink } from '../chaos/proxy.ts';
import { createDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

const database = await createDatabase();
afterAll(() => database.drop());

async function pingOver(url: string) {
  const ping = createPing(url);
  onTestFinished(() => ping.close());
  return ping;
}

async function breakable() {
  const link = await openLink(() => Number(new URL(database.url).port));
  onTestFinished(() => link.close());
  const url = new URL(database.url);
  url.port = String(link.port);
  return { link, ping: await pingOver(url.href) };
}

const connections = async () =>
  database.query<{ pid: number }>(
    `select pid from pg_stat_activity where datname = current_database() and query = 'select 1'`,
  );

test('many who ask at once are answered on one connection, which is kept and goes with a close', async () => {
  const ping = await pingOver(database.url);
  await Promise.all(Array.from({ length: 50 }, () => ping.ask()));
  const [first, ...others] = await connections();
  expect(others).toEqual([]);
  await ping.ask();
  expect(await connections()).toEqual([first]);
  await ping.close();
  await until('the connection to go', async () => (await connections()).length === 0);
  await expect(ping.ask()).rejects.toThrow('after it was closed');
});

test('a connection that was ended while it rested is replaced, and nobody is told of it', async () => {
  const ping = await pingOver(database.url);
  await ping.ask();
  const [kept] = await connections();
  await database.query('select pg_terminate_backend($1)', [kept!.pid]);
  await ping.ask();
  expect((await connections()).map(({ pid }) => pid)).not.toContain(kept!.pid);
});

test('a database that is cut off, or says nothing, is away, and is there again afterwards', async () => {
  const { link, ping } = await breakable();
  for (const state of ['CUT', 'HELD'] as const) {
    await ping.ask();
    link.set({ is: state });
    const refused = await ping.ask().catch((error: unknown) => error);
    expect([state, isDatabaseAway(refused)]).toEqual([state, true]);
    link.set({ is: 'OPEN' });
  }
  await ping.ask();
});
