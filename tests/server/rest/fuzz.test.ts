import { afterAll, beforeAll, expect, test } from 'vitest';
import { fuzz } from '../../fuzz/run.ts';
import { startTarget, type Target } from '../../fuzz/target.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { readApi } from '../../support/openapi.ts';

let database: TestDatabase;
let target: Target;
beforeAll(async () => {
  database = await createDatabase();
  target = await startTarget(database.url, 'silent');
});
afterAll(async () => {
  await target.stop();
  await database.drop();
});

/** The same requests each time, so that what they reach is the same: `npm run fuzz:rest` takes others. */
const CASES = { cases: 1_500, seed: 42 };

test(
  '1,500 requests made from the document meet no unexpected error and nothing that it does not declare',
  { timeout: 120_000 },
  async () => {
    const counts = await fuzz(target, CASES);
    const { routes } = await readApi(target);
    expect([...counts.keys()].sort()).toEqual(routes.map(({ name }) => name).sort());
    for (const { name, operation } of routes) {
      const success = Math.min(...Object.keys(operation.responses).map(Number));
      expect([name, (counts.get(name)?.get(success) ?? 0) > 0]).toEqual([name, true]);
    }
  },
);
