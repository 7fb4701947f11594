import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { installTool, nameOf } from '../deploy/local/tools.ts';
import { messageOf } from '../lib/errors.ts';
import { REAL_STORES, type RealStoreName, startRealStore } from './support/real-store.ts';

/**
 * Runs the tests of sync against one store after the other that keeps its data on disk: those named in the arguments, or all.
 * A store that can't be had here is skipped, and said why. The exit code is 0 only if no test failed.
 */
const given = process.argv.slice(2);
const known = Object.keys(REAL_STORES).filter(isRealStore);
const unknown = given.filter((name) => !isRealStore(name));
if (unknown.length > 0) {
  console.error(`unknown stores: ${unknown.join(', ')}; known are ${known.join(', ')}`);
  process.exit(2);
}
const credentials = { accessKeyId: 'kelpie-tests', secretAccessKey: 'a-secret-of-the-tests' };
for (const name of given.length === 0 ? known : given.filter(isRealStore)) {
  const installed = await installTool(REAL_STORES[name].tool);
  if ('missing' in installed) {
    console.log(`${name} is skipped: ${installed.missing}`);
    continue;
  }
  console.log(`${name}: ${nameOf(REAL_STORES[name].tool)} ${REAL_STORES[name].tool.version}`);
  try {
    const store = await startRealStore(name, credentials);
    try {
      if ((await runSuite(store.url)) !== 0) process.exitCode = 1;
    } finally {
      await store.stop();
    }
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}

function isRealStore(name: string): name is RealStoreName {
  return name in REAL_STORES;
}

async function runSuite(endpoint: string): Promise<number> {
  const environment = {
    KELPIE_TEST_S3_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    KELPIE_BURST_FILES: '10000',
  };
  const vitest = spawn('vitest', ['run', 'tests/agent/sync'], {
    env: { ...process.env, ...environment },
    stdio: 'inherit',
  });
  const [code] = (await once(vitest, 'exit')) as [number | null];
  return code ?? 1;
}
