import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { installTool, nameOf } from '../deploy/local/tools.ts';
import { messageOf } from '../lib/errors.ts';
import { REAL_STORES, type RealStoreName, startRealStore } from './support/real-store.ts';

/**
 * Runs the tests of sync against stores that keep their data on disk, one after the other: those named in the arguments, or all;
 * with `--one`, the first of them that can be had. A store that can't be had here is skipped, and said why. The exit code is 0 only
 * if no test failed.
 */
const args = process.argv.slice(2);
const isOneEnough = args.includes('--one');
const given = args.filter((arg) => arg !== '--one');
const known = Object.keys(REAL_STORES).filter(isRealStore);
const unknown = given.filter((name) => !isRealStore(name));
if (unknown.length > 0) {
  console.error(`unknown stores: ${unknown.join(', ')}; known are ${known.join(', ')}`);
  process.exit(2);
}
const credentials = { accessKeyId: 'kelpie-tests', secretAccessKey: 'a-secret-of-the-tests' };
for (const name of given.length === 0 ? known : given.filter(isRealStore)) {
  const outcome = await testOn(name);
  if (outcome === 'FAILED') process.exitCode = 1;
  if (outcome !== 'MISSING' && isOneEnough) break;
}

function isRealStore(name: string): name is RealStoreName {
  return name in REAL_STORES;
}

async function testOn(name: RealStoreName): Promise<'PASSED' | 'FAILED' | 'MISSING'> {
  const { tool } = REAL_STORES[name];
  const installed = await installTool(tool);
  if ('missing' in installed) {
    console.log(`The tests of sync on ${name} are skipped: ${installed.missing}`);
    return 'MISSING';
  }
  console.log(`The tests of sync on ${name}: ${nameOf(tool)} ${tool.version}`);
  try {
    const store = await startRealStore(name, credentials);
    try {
      return (await runSuite(name, store.url)) === 0 ? 'PASSED' : 'FAILED';
    } finally {
      await store.stop();
    }
  } catch (error) {
    console.error(messageOf(error));
    return 'FAILED';
  }
}

async function runSuite(name: RealStoreName, endpoint: string): Promise<number> {
  const { KELPIE_TEST_REPORT: report, KELPIE_BURST_FILES: burst } = process.env;
  const environment = {
    KELPIE_TEST_S3_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    // A gate is to be quick; whoever asks for the stores has time.
    ...(burst === undefined && !isOneEnough ? { KELPIE_BURST_FILES: '10000' } : {}),
    // Beside the one of the suite, not in its place.
    ...(report === undefined ? {} : { KELPIE_TEST_REPORT: report.replace(/(\.json)?$/, `-${name}.json`) }),
  };
  const vitest = spawn('vitest', ['run', 'tests/agent/sync', '--maxWorkers', '2'], {
    env: { ...process.env, ...environment },
    stdio: 'inherit',
  });
  const [code] = (await once(vitest, 'exit')) as [number | null];
  return code ?? 1;
}
