import { afterAll, expect, test } from 'vitest';
import { heartbeat } from '../../../core/leases/renew.ts';
import { openTestCore } from '../../support/core.ts';
import { claimMany } from '../../support/jobs.ts';

// One connection, so that it is known which has kept a plan.
const { core, database, account, close } = await openTestCore({ maxConnections: 1 });
afterAll(close);

test('a plan that PostgreSQL has kept and no longer takes costs nobody an answer', async () => {
  const { viewer } = await account();
  const leases = await claimMany(core, viewer, 6);
  const beat = () => Promise.all(leases.map((lease) => heartbeat(core, viewer, lease)));
  await beat();
  await database.query('alter table attempts alter machine_id type varchar(400)');
  expect(await beat()).toEqual(leases.map(() => ({ leaseMillis: 60_000, draining: false })));
});
