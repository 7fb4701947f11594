import { afterAll, expect, test } from 'vitest';
import { heartbeat } from '../../../core/leases/renew.ts';
import { openTestCore } from '../../support/core.ts';
import { claimMany, outcomes } from '../../support/jobs.ts';

// One connection, so that it is known which has kept a plan.
const { core, database, account, close } = await openTestCore({ maxConnections: 1 });
afterAll(close);

test('what took too long together is written in smaller parts when it comes again', async () => {
  const { viewer } = await account();
  const leases = await claimMany(core, viewer, 12);
  await database.query(`
    create function refuse_many() returns trigger language plpgsql as $$
    begin
      if (select count(*) from written) > 6 then
        raise exception 'canceling statement due to statement timeout' using errcode = '57014';
      end if;
      return null;
    end $$`);
  await database.query(`
    create trigger refuse_many after update on attempts referencing new table as written
    for each statement execute function refuse_many()`);
  const beat = () => outcomes(leases.map((lease) => heartbeat(core, viewer, lease)));
  expect(await beat()).toEqual(leases.map((_, n) => (n === 0 ? 'done' : '57014')));
  expect(await beat()).toEqual(leases.map(() => 'done'));
});

test('a plan that PostgreSQL has kept and no longer takes costs nobody an answer', async () => {
  const { viewer } = await account();
  const leases = await claimMany(core, viewer, 6);
  const beat = () => Promise.all(leases.map((lease) => heartbeat(core, viewer, lease)));
  await beat();
  await database.query('alter table attempts alter machine_id type varchar(400)');
  expect(await beat()).toEqual(leases.map(() => ({ leaseMillis: 60_000, draining: false })));
});
