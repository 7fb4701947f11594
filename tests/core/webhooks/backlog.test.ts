import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { insertDue } from '../../../bench/support/backlog.ts';
import { createSender } from '../../../core/webhooks/deliver.ts';
import { parseRanges } from '../../../core/webhooks/guard.ts';
import { positional } from '../../../db/statement.ts';
import { openTestCore } from '../../support/core.ts';
import { claim, submit } from '../../support/jobs.ts';
import { startReceiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

const BACKLOG = 10_000;
const { core, database, account, close } = await openTestCore();
const { viewer } = await account();
const [slow, quick] = [await startReceiver(), await startReceiver()];
// Longer than any of this takes: what the slow host was sent stays under way.
slow.slowMs = 60_000;
await insertDue({ url: database.url, viewer }, slow.url, BACKLOG);
afterAll(async () => {
  await slow.close();
  await quick.close();
  await close();
});

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  Plans?: Plan[];
}

/** How many rows each reading of the table of deliveries gave, by how it was read. */
async function readings(file: string): Promise<{ how: string; rows: number }[]> {
  const { text, names } = positional(readFileSync(new URL(`../../../db/sql/${file}.sql`, import.meta.url), 'utf8'));
  const values: Record<string, unknown> = {
    ...{ batch: 64, per_lane: 8, per_account: 32, in_flight: {}, start_lane: 0, ordered_tries: 3, hold_seconds: 0 },
  };
  const [row] = await database.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `explain (analyze, format json) ${text}`,
    names.map((name) => values[name]),
  );
  const readingsIn = (plan: Plan): { how: string; rows: number }[] => [
    ...(plan['Relation Name'] === 'webhook_deliveries' && plan['Node Type'] !== 'ModifyTable'
      ? [{ how: plan['Node Type'], rows: plan['Actual Rows'] * plan['Actual Loops'] }]
      : []),
    ...(plan.Plans ?? []).flatMap(readingsIn),
  ];
  return readingsIn(row!['QUERY PLAN'][0].Plan);
}

describe('ten thousand webhooks that are due to one slow host', () => {
  test.each([
    ['before the planner has seen them', 'delete from pg_statistic where starelid = $1::regclass'],
    ['after it has', 'analyze'],
  ])('are not read through for the few that are taken, %s', async (_, prepare) => {
    await database.query(prepare, prepare.includes('$1') ? ['webhook_deliveries'] : []);
    const found = await readings('due-deliveries');
    expect(found.length).toBeGreaterThan(5);
    expect(found.filter(({ how, rows }) => how === 'Seq Scan' || rows > 200)).toEqual([]);
    // What is asked first each time, mostly to learn that there are none.
    expect(await readings('waiting-delivery')).toEqual([{ how: 'Index Only Scan', rows: 1 }]);
  });

  test('do not keep one to another host waiting', async () => {
    const sender = createSender({ core, allowed: parseRanges('127.0.0.0/8'), onError: () => undefined });
    expect(await sender.runOnce()).toEqual({ started: 8 });
    await submit(core, viewer, { webhook: quick.url });
    await claim(core, viewer);
    expect(await sender.runOnce()).toEqual({ started: 1 });
    await until('the quick one', () => quick.received.length === 1);
    expect(slow.received.length).toBeLessThanOrEqual(8);
    await sender.stop();
  });
});
