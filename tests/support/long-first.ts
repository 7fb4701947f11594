import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take long, or mostly wait, the longest first: begun last, they would run alone in the end. A clean clone has no times of its own
 * to go by; the order of these is that of a whole run on two cores.
 */
export const LONG = [
  'tests/chaos-smoke.test.ts',
  'tests/dashboard/changes.test.ts',
  'tests/dashboard/jobs.test.ts',
  'tests/server/rest/contract.test.ts',
  'tests/deploy/local/demo.test.ts',
  'tests/agent/sync/download-faults.test.ts',
  'tests/agent/lease.test.ts',
  'tests/server/rest/fuzz.test.ts',
  'tests/agent/end-to-end/dead-disk.test.ts',
  'tests/agent/end-to-end/fence.test.ts',
  'tests/server/key-end.test.ts',
  'tests/agent/sync/kill.test.ts',
  'tests/core/scaling/fleet.test.ts',
  'tests/dashboard/accessible.test.ts',
  'tests/db/embedded.test.ts',
  'tests/server/start.test.ts',
  'tests/deploy/local/dev.test.ts',
  'tests/server/three-servers.test.ts',
  'tests/agent/end-to-end/rolling.test.ts',
  'tests/core/scaling/scaler.test.ts',
  'tests/server/metrics.test.ts',
  'tests/agent/end-to-end/success.test.ts',
  'tests/agent/check.test.ts',
  'tests/agent/end-to-end/logs.test.ts',
  'tests/dashboard/machines.test.ts',
  'tests/agent/end-to-end/modes.test.ts',
  'tests/client-examples/examples.test.ts',
];

export class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const ranked = (await super.sort(files)).map((file) => ({ file, rank: rankOf(file) }));
    // A stable sort: the others stay as they were.
    return ranked.sort((one, other) => one.rank - other.rank).map(({ file }) => file);
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((name) => moduleId.endsWith(`/${name}`));
  return place === -1 ? LONG.length : place;
}
