import pg from 'pg';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { createSearches } from '../../core/jobs/searches.ts';
import { createApp } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import { startTestApp } from '../support/app.ts';
import { until } from '../support/until.ts';

const app = await startTestApp();
afterAll(() => app.close());

/** A server whose searches have more time than this test: only a cancel ends them. */
async function patientServer() {
  const core = { ...app.core, searches: createSearches({ timeMs: 120_000 }) };
  const server = createApp({ core, log: createLog('silent') });
  onTestFinished(() => server.stop());
  return server.start({ host: '127.0.0.1', port: 0 });
}

test('a search whose asker hangs up is cancelled in the database', async () => {
  const { secret } = await app.account();
  const url = await patientServer();
  const lock = new pg.Client(app.database.url);
  await lock.connect();
  onTestFinished(() => lock.end());
  await lock.query('begin; lock table jobs in access exclusive mode');
  const searches = async () =>
    app.database.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%ilike all%'",
    );

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
