import { defineConfig } from 'vitest/config';
import { COMPILED } from './tests/support/compiled.ts';
import { LongOnesFirst } from './tests/support/long-first.ts';

// A file that whoever runs the suite wants the totals in, as JSON.
const report = process.env.KELPIE_TEST_REPORT;

// Some thousand tests on real processes and sockets, on a machine that others use too: one that fails in CI is tried once more, and
// `.ci/run` names it then with what went wrong at first. At a desk nothing is tried twice.
const retry = process.env.CI === undefined ? 0 : 1;

/** A proxy is there where a test wants one, not where whoever runs the suite has one. */
const PROXIES = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]);

export default defineConfig({
  // Exactly what Node resolves by. With Vite's "development" the sources would get another copy of graphql than the libraries, and
  // no `instanceof` would hold between them; with its "module" the AWS SDK is not found.
  ssr: { resolve: { conditions: ['node', 'module-sync'] } },
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: ['node_modules/**'],
    env: { ...Object.fromEntries(PROXIES.map((name) => [name, ''])), NODE_COMPILE_CACHE: COMPILED },
    globalSetup: ['tests/support/global-setup.ts'],
    // No new process per file: ten files with a database each in 3.6 s instead of 11.8 s. Most tests wait for something, so
    // four processes keep two cores busy.
    maxWorkers: 4,
    isolate: false,
    retry,
    sequence: { sequencer: LongOnesFirst },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', ...(report === undefined ? [] : ['json'])],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
