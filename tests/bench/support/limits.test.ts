import { expect, test } from 'vitest';
import { fullIn, lateIn, type Late, type Taken } from '../../../bench/support/limits.ts';

const well: Late = { heartbeat_p99_ms: 500, wake_p99_ms: 1_000, claim_p99_ms: 1_000, unclaimed: 0, lost: 0, cut: 0 };
const taken: Taken = {
  ...{ thread_percent: 50, thread_waited_percent: 5, servers_percent: 60, postgres_percent: 40, agents_percent: 20 },
  ...{ player_percent: 10, others_busy_percent: 60, elsewhere_percent: 0, database_waiting: 0, database_active: 1 },
  database_waits: [{ event: 'WalSync', percent: 80 }],
};

test('a server holds its fleet up to half a second for a heartbeat, and a second for a wake-up and a claim', () => {
  expect(lateIn(well)).toBeUndefined();
  expect(lateIn({ ...well, heartbeat_p99_ms: 501 })).toBe('a heartbeat took 501 ms at p99');
  expect(lateIn({ ...well, wake_p99_ms: 1_001 })).toBe('a wake-up took 1001 ms at p99');
  expect(lateIn({ ...well, claim_p99_ms: Infinity })).toBe('a claim took Infinity ms at p99');
  expect(lateIn({ ...well, unclaimed: 2 })).toBe('2 jobs were claimed by nobody');
  expect(lateIn({ ...well, lost: 1, heartbeat_p99_ms: 900 })).toBe('1 leases were lost');
});

test.for<[part: Partial<Taken>, full: string]>([
  [{ thread_percent: 90, database_waiting: 7 }, "the server's one thread"],
  [{ player_percent: 95 }, 'a process that plays agents'],
  [{ thread_waited_percent: 40, database_waiting: 7 }, 'the machine: '],
  [{ others_busy_percent: 97, database_waiting: 7 }, "the machine's processors"],
  [{ database_waiting: 7 }, 'the connections to the database: 7 operations waited for one, and 1 worked (WalSync 80 %'],
  [{}, 'nothing that is measured here'],
])('of %j is said what is full', ([part, full]) => {
  expect(fullIn({ ...taken, ...part }).startsWith(full)).toBe(true);
});
