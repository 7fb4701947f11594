import { afterAll, expect, test } from 'vitest';
import { heartbeat } from '../../../core/leases/renew.ts';
import { openTestCore } from '../../support/core.ts';
import { holding, waitingForLocks } from '../../support/holding.ts';
import { claimMany } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const { core, database, account, close } = await openTestCore({ maxConnections: 10 });
afterAll(close);

test('those whose jobs another holds wait on half of the connections that are kept for work, and all others have the rest', async () => {
  const [mine, theirs] = [(await account()).viewer, (await account()).viewer];
  const held = await claimMany(core, mine, 8);
  const [free] = await claimMany(core, theirs, 1);
  if (!free) throw new Error('Expected a lease');
  const letGo = await holding(database, 'select from attempts where job_id = any($1) for update', [
    held.map(({ jobId }) => jobId),
  ]);
  const waiting = Promise.allSettled(held.map((lease) => heartbeat(core, mine, lease)));
  await until('as many to wait as may', async () => (await waitingForLocks(database)) === 2);
  expect(core.pool()).toMatchObject({ waiting: 0 });
  await heartbeat(core, theirs, free);
  await letGo();
  // On a machine that stood still for seconds they were told to ask again.
  await waiting;
  await Promise.all(held.map((lease) => heartbeat(core, mine, lease)));
});
