import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { buildExecutable } from '../../deploy/agent/executable.ts';
import { messageOf } from '../../lib/errors.ts';
import { runCommand } from '../support/command.ts';
import {
  areContainersDemanded,
  ensureDebian,
  ofThisRun,
  removeContainers,
  whyNoContainers,
} from '../support/podman.ts';

/**
 * `npm run test:containers`: the agent's executable in real containers, made from the smallest roots of Debian, the oldest that is supported and
 * the current one. Where there can be none it is said why: skipped, or, where KELPIE_TEST_CONTAINERS is `demanded`, failed. The exit code is 0
 * only if no test failed.
 */
const ROOT = join(import.meta.dirname, '../..');

const isDemanded = areContainersDemanded();
// What is started from here is of the same run.
ofThisRun();
await runCommand(testContainers, { last: removeContainers });

async function testContainers(): Promise<void> {
  const images = await baseImages();
  if (typeof images !== 'string') process.exitCode = await runTrials(images);
  else if (isDemanded) {
    console.error(`The executable can’t be tested in containers: ${images}`);
    process.exitCode = 1;
  } else console.log(`The tests of the executable in containers are skipped: ${images}`);
}

/** Or why there are none. */
async function baseImages(): Promise<string[] | string> {
  const why = whyNoContainers();
  if (why !== undefined) return why;
  try {
    return await Promise.all([ensureDebian('bullseye'), ensureDebian('trixie')]);
  } catch (error) {
    return messageOf(error);
  }
}

async function runTrials(images: readonly string[]): Promise<number> {
  try {
    const { path } = await buildExecutable(join(ROOT, 'dist'));
    return await runSuite({ KELPIE_TEST_EXECUTABLE: path, KELPIE_TEST_IMAGES: images.join(' ') });
  } catch (error) {
    console.error(`The tests of the executable could not be run: ${messageOf(error)}`);
    return 1;
  }
}

async function runSuite(prepared: Record<string, string>): Promise<number> {
  const { KELPIE_TEST_REPORT: report } = process.env;
  // Beside the one of the suite, not in its place.
  const beside = report === undefined ? {} : { KELPIE_TEST_REPORT: report.replace(/(\.json)?$/, '-containers.json') };
  const vitest = spawn('vitest', ['run', '--config', join(import.meta.dirname, 'vitest.config.ts')], {
    cwd: ROOT,
    env: { ...process.env, ...prepared, ...beside },
    stdio: 'inherit',
  });
  const [code] = (await once(vitest, 'exit')) as [number | null];
  return code ?? 1;
}
