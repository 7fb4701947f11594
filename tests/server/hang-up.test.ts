import pg from 'pg';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { createAccountFeed } from '../../core/events/account-feed.ts';
import { cursorOf } from '../../core/events/position.ts';
import { createSearches } from '../../core/jobs/searches.ts';
import { submitJobs } from '../../core/jobs/submit.ts';
import { createApp } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import { startTestApp } from '../support/app.ts';
import { spec } from '../support/core.ts';
import { holding, waitingForLocks } from '../support/holding.ts';
import { submit } from '../support/jobs.ts';
import { openRaw, type RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';

const app = await startTestApp();
afterAll(() => app.close());

/** A server whose searches have more time than this test: only a cancel ends them. */
async function patientServer() {
  const base = { ...app.core, searches: createSearches({ timeMs: 120_000 }) };
  const core = { ...base, accountFeed: createAccountFeed(base, app.core.feed, app.core.keyWatch) };
  const server = createApp({ core, log: createLog('silent') });
  onTestFinished(() => server.stop());
  return server.start({ host: '127.0.0.1', port: 0 });
}

interface Leaving {
  socket: RawSocket;
  keyId: string;
}

/** Nobody can look at jobs until the test is over. */
async function lockJobs(): Promise<void> {
  const lock = new pg.Client(app.database.url);
  await lock.connect();
  onTestFinished(() => lock.end());
  await lock.query('begin; lock table jobs in access exclusive mode');
}

const searches = async () =>
  app.database.query(
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%ilike all%'",
  );

test('a search whose asker hangs up is cancelled in the database', async () => {
  const { secret } = await app.account();
  const url = await patientServer();
  await lockJobs();
  const asking = new AbortController();
  const asked = fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': secret },
    body: JSON.stringify({ query: '{ jobs(filter: { search: "x" }, first: 1) { nodes { id } } }' }),
    signal: asking.signal,
  });
  asked.catch(() => undefined);
  await until('the search to run', async () => (await searches()).length === 1);
  asking.abort();
  await expect(asked).rejects.toThrow('aborted');
  // The lock stays until the end.
  await until('the search to end', async () => (await searches()).length === 0);
});

test.each<[string, (leaving: Leaving) => unknown]>([
  ['completes it', ({ socket }) => socket.send({ id: '1', type: 'complete' })],
  ['is cut off', ({ socket }) => socket.socket.terminate()],
  [
    'has a key that is revoked',
    async ({ keyId }) => {
      await app.database.query('update api_keys set revoked_at = now() where id = $1', [keyId]);
      await app.core.keyWatch.runOnce();
    },
  ],
])('a follower’s search is cancelled when the follower %s', async (_, leave) => {
  const { secret, viewer } = await app.account();
  // Of fewer the search would be no search, but a short question.
  await submitJobs(app.core, viewer, Array<ReturnType<typeof spec>>(11).fill(spec({ name: 'x' })));
  const socket = openRaw(await patientServer(), { 'X-Kelpie-Key': secret });
  await until('the socket', () => socket.heard.length > 0);
  await lockJobs();
  const after = cursorOf({ xid: '0', id: '0' });
  const query = `subscription { jobEvents(after: "${after}", filter: { search: "x" }) { ... on JobEvent { seq } } }`;
  socket.send({ id: '1', type: 'subscribe', payload: { query } });
  await until('the search to run', async () => (await searches()).length === 1);
  await leave({ socket, keyId: viewer.keyId });
  await until('the search to end', async () => (await searches()).length === 0);
  // Nothing is told of it, least of all that something had gone wrong.
  expect(socket.heard.filter(({ type }) => type === 'next' || type === 'error')).toEqual([]);
  socket.socket.terminate();
});

test('a purge whose asker hangs up is done to its end, and written down', async () => {
  const { viewer, secret } = await app.account();
  const { id } = await submit(app.core, viewer, { containerGroupId: 'purged' });
  const letGo = await holding(app.database, 'select from jobs where id = $1 for update', [id]);
  const socket = openRaw(app.url, { 'X-Kelpie-Key': secret });
  await until('the socket', () => socket.heard.length > 0);
  const query = 'mutation { purgeJobs(containerGroupId: "purged") { __typename } }';
  socket.send({ id: '1', type: 'subscribe', payload: { query } });
  await until('the purge to wait', async () => (await waitingForLocks(app.database)) === 1);
  socket.socket.terminate();
  // By then the server has heard of it.
  await app.graphql(secret, '{ viewer { role } }');
  await letGo();
  await until('the entry', async () => {
    const entries = await app.database.query(
      "select from audit_events where action = 'JOBS_PURGED' and account_id = $1",
      [viewer.accountId],
    );
    return entries.length === 1;
  });
  expect(await app.database.query('select from jobs where id = $1', [id])).toEqual([]);
});
