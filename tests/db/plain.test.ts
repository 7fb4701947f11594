import type { EntityName } from '@mikro-orm/core';
import { CompiledQuery } from 'kysely';
import { afterAll, expect, test } from 'vitest';
import { heartbeat } from '../../core/leases/renew.ts';
import { Attempt } from '../../db/entities/attempt.ts';
import { JobEvent } from '../../db/entities/job-event.ts';
import { Job } from '../../db/entities/job.ts';
import { plainReader, plainRows, type Row } from '../../db/plain.ts';
import { openTestCore } from '../support/core.ts';
import { claim, submit } from '../support/jobs.ts';

const { core, account, close } = await openTestCore();
afterAll(close);

/** Everything of a table, in both ways. */
async function bothWays<Entity extends object>(entity: EntityName<Entity>) {
  const em = core.em.fork();
  const meta = em.getMetadata(entity);
  const { rows } = await em.getKysely().executeQuery<Row>(CompiledQuery.raw(`select * from ${meta.tableName}`));
  const names: string[] = meta.props.map(({ name }) => name);
  const fields = (one: object) => Object.fromEntries(names.map((name) => [name, (one as Row)[name]]));
  const plain = plainRows(em, entity, rows);
  return { names, plain, fields: plain.map(fields), managed: rows.map((row) => fields(em.map(entity, row as never))) };
}

test('rows are what the unit of work makes of them, field by field', async () => {
  const { viewer } = await account();
  const sync = { during: [{ bucket: 'b', prefix: 'p', localPath: 'l', direction: 'UPLOAD' }] };
  await submit(core, viewer, { name: 'waits', labels: { a: 'b' }, environment: { A: 'x' }, timeoutSeconds: 5, sync });
  await submit(core, viewer, { priority: 1 });
  const { lease } = await claim(core, viewer);
  await heartbeat(core, viewer, lease, {
    phase: 'RUNNING',
    progress: { fraction: 0.5, message: 'ü', metrics: { loss: 0.5, parts: [1, { two: null }] } },
    bytesDownloaded: '9007199254740993',
  });
  for (const { names, plain, fields, managed } of [
    await bothWays(Job),
    await bothWays(Attempt),
    await bothWays(JobEvent),
  ]) {
    expect(plain.length).toBeGreaterThan(0);
    expect(fields).toEqual(managed);
    for (const one of plain) expect(Object.keys(one).sort()).toEqual(names.toSorted());
  }
});

test('who reads plainly reads outside of the transaction around it, and manages nothing', async () => {
  const { viewer } = await account();
  await submit(core, viewer);
  const reader = plainReader(core);
  const ofAccount = (what: string) => CompiledQuery.raw(`${what} from jobs where account_id = $1`, [viewer.accountId]);
  await core.em.fork().transactional(async (em) => {
    await em.getKysely().executeQuery(ofAccount('delete'));
    expect(plainReader(core)).toBe(reader);
    const { rows } = await reader.getKysely().executeQuery<Row>(ofAccount('select *'));
    expect(plainRows(reader, Job, rows)).toHaveLength(1);
  });
  expect([...reader.getUnitOfWork().getIdentityMap().keys()]).toEqual([]);
});
