import pg from 'pg';
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { disconnected, recordPresence } from '../../core/agents/presence.ts';
import { retireAgents } from '../../core/agents/retire.ts';
import { cancelJobs } from '../../core/jobs/cancel.ts';
import { sweepLeases } from '../../core/leases/rescue.ts';
import type { Agent } from '../../db/entities/agent.ts';
import { openTestCore } from '../support/core.ts';
import { until } from '../support/until.ts';

const { core, database, account, close } = await openTestCore();
afterAll(close);
const { viewer } = await account();
const group = { accountId: viewer.accountId, containerGroupId: 'group' };

/** In the order in which they are stored; a statement that takes them as they come locks the last one first. */
const NUMBERS = [5, 4, 3, 2, 1];
const idOf = (number: number) => `00000000-0000-4000-8000-00000000000${number}`;
const [lowest, highest] = [idOf(1), idOf(5)];
const machines = NUMBERS.map((number) => `machine ${number}`);
const CONNECTION = idOf(9);

beforeEach(async () => {
  await database.query('delete from jobs');
  await database.query('delete from job_events');
  await database.query('delete from agents');
  await database.query(`update sweeps set at = now() - interval '1 minute'`);
  for (const number of NUMBERS) {
    const id = idOf(number);
    await database.query(
      `insert into agents (id, account_id, machine_id, container_group_id, session_id, connection_id)
       values ($1, $2, $3, 'group', $1, $4)`,
      [id, viewer.accountId, `machine ${number}`, CONNECTION],
    );
    await database.query(
      `insert into jobs (id, account_id, api_key_id, container_group_id, command, arguments, environment, labels, max_failures,
                         heartbeat_interval, event_seq, status, attempt_number, machine_id)
       values ($1, $2, $3, 'group', 'true', '[]', '{}', '{}', 3, 30, 2, 'RUNNING', 1, $4)`,
      [id, viewer.accountId, viewer.keyId, `machine ${number}`],
    );
    // All of one agent, as far as its connection goes.
    await database.query(
      `insert into attempts (job_id, number, account_id, container_group_id, machine_id, agent_id, heartbeat_interval, lease_expires_at)
       values ($1, 1, $2, 'group', $3, $4, 30, now() + interval '1 second')`,
      [id, viewer.accountId, `machine ${number}`, lowest],
    );
  }
  // So few rows are read as they are stored.
  await database.query('analyze');
});

const connections = { connected: () => NUMBERS.map(idOf) } as Parameters<typeof recordPresence>[1];
const agent = { id: lowest } as Agent;

interface Flow {
  rows: string;
  run: () => Promise<unknown>;
  answer: unknown;
}

const flows: [string, Flow][] = [
  [
    'agents that were seen',
    { rows: 'agents where id', run: () => recordPresence(core, connections), answer: { seen: 5 } },
  ],
  [
    'agents that retire',
    {
      rows: 'agents where id',
      run: () => retireAgents(core, group, machines, 5),
      answer: expect.arrayContaining(machines),
    },
  ],
  [
    'leases of an agent that has hung up',
    { rows: 'attempts where job_id', run: () => disconnected(core, agent, CONNECTION, 5), answer: undefined },
  ],
  [
    'leases after an outage',
    { rows: 'attempts where job_id', run: () => sweepLeases(core, 5), answer: { graced: 5, expired: 0 } },
  ],
  [
    'attempts of jobs that are canceled',
    { rows: 'attempts where job_id', run: () => cancelJobs(core, viewer, {}), answer: 5 },
  ],
];

test.each(flows)(
  '%s are locked in the order of their ids, however they are stored',
  async (_, { rows, run, answer }) => {
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    onTestFinished(() => other.end());
    await other.query('begin');
    await other.query(`select from ${rows} = $1 for update`, [lowest]);
    const running = run();
    await until('it to wait for the lowest', async () => {
      const [row] = await database.query<{ waits: boolean }>(
        `select count(*) > 0 as waits from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return row!.waits;
    });
    // Who holds the lowest may have the highest, too: whoever waits for the one does not hold the other.
    await other.query(`select from ${rows} = $1 for update nowait`, [highest]);
    await other.query('commit');
    expect(await running).toEqual(answer);
  },
);

test.each(flows)('%s can be changed by two at once', async (_, { run }) => {
  for (let time = 0; time < 5; time++) await Promise.all([run(), run(), run()]);
});
