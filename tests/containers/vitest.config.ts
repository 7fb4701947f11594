import { defineConfig } from 'vitest/config';

const report = process.env.KELPIE_TEST_REPORT;

/** Of `npm run test:containers`, which prepares what these need. */
export default defineConfig({
  root: `${import.meta.dirname}/../..`,
  ssr: { resolve: { conditions: ['node', 'module-sync'] } },
  test: {
    include: ['tests/containers/*.trial.ts'],
    maxWorkers: 1,
    retry: process.env.CI === undefined ? 0 : 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', ...(report === undefined ? [] : ['json'])],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
