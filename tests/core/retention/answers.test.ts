import { afterAll, expect, test } from 'vitest';
import { createPruner } from '../../../core/retention/prune.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, submit } from '../../support/jobs.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);

const pruner = createPruner(core, { jobs: 0, events: 0, logs: 0, deliveries: 0 });
const answers = () =>
  database.query<{ number: number; response: string }>(
    'select number, response from webhook_tries where response is not null order by number',
  );

test('what was stored of answers before they were blanked is forgotten, in batches, and by the next server too', async () => {
  const { viewer } = await account();
  const { id } = await submit(core, viewer, { webhook: 'http://127.0.0.1:9/' });
  await claim(core, viewer);
  /** As a server of the release before does, which knows of no mark. */
  const store = (from: number, to: number) =>
    database.query(
      `insert into webhook_tries (delivery_id, number, milliseconds, status_code, response)
       select d.id, n, 5, 500, 'X-Kelpie-Key: clear' from webhook_deliveries d, generate_series($2::int, $3::int) n where d.job_id = $1`,
      [id, from, to],
    );
  await store(1, 2_500);
  await database.query(
    `update webhook_tries set response = 'X-Kelpie-Key: [secret]', response_blanked = true where number in (7, 2_400)`,
  );
  const blanked = [7, 2_400].map((number) => ({ number, response: 'X-Kelpie-Key: [secret]' }));

  await core.em.fork().transactional(async (em) => {
    await em.execute('select from webhook_tries where number = 1000 for update');
    expect(await pruner.runOnce()).toMatchObject({ answers: 2_497 });
  });
  expect((await answers()).map(({ number }) => number)).toEqual([7, 1_000, 2_400]);

  // This one has gone over all of them today; the next one looks for itself.
  await store(2_501, 2_502);
  expect(await pruner.runOnce()).toMatchObject({ answers: 0 });
  const next = createPruner(core, { jobs: 0, events: 0, logs: 0, deliveries: 0 });
  expect(await next.runOnce()).toMatchObject({ answers: 3 });
  expect(await answers()).toEqual(blanked);
});

test('a server that was not let goes on from where it has come to', async () => {
  const waiting = createPruner(core, { jobs: 0, events: 0, logs: 0, deliveries: 0 });
  await database.query(`update webhook_tries set response = 'clear' where number = 3`);
  await core.em.fork().transactional(async (em) => {
    await em.execute('select pg_advisory_xact_lock(30, 0)');
    expect(await waiting.runOnce()).toMatchObject({ answers: 0 });
  });
  expect(await waiting.runOnce()).toMatchObject({ answers: 1 });
});
