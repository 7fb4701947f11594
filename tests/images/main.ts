import { messageOf } from '../../lib/errors.ts';
import { atMost, whenAborted } from '../../lib/pause.ts';
import { runCommand } from '../support/command.ts';
import { areContainersDemanded, podman, removeContainers } from '../support/podman.ts';
import { buildImage, buildOwnAgent, demandTools, ensureBase, NotHereError } from './build.ts';
import { runTopology, type Images } from './topology.ts';

/**
 * `npm run test:images`: builds the images of both Dockerfiles, and runs what docker-compose.yml describes from them, without a
 * registry and without Docker. Where the machine can't give what that takes it is said, and counts for nothing: SKIPPED, and 0, unless
 * KELPIE_TEST_CONTAINERS is `demanded`. What else goes wrong is a fault of ours, and so is what takes too long: 1.
 */
const MOST_MINUTES = 15;
/** So long what was begun may take to put things away when the time is over. */
const PUT_AWAY_MS = 20_000;

const images: Images = {
  server: 'localhost/kelpie-test/server',
  agent: 'localhost/kelpie-test/agent',
  ownAgent: 'localhost/kelpie-test/own-agent',
};
const isDemanded = areContainersDemanded();
const late = AbortSignal.timeout(MOST_MINUTES * 60_000);
let underWay = { what: 'nothing', since: performance.now() };

await runCommand(main, { last: removeContainers });

async function main(): Promise<void> {
  const testing = testImages().then(
    () => 'DONE' as const,
    (error: unknown) => error,
  );
  const result = await Promise.race([testing, whenAborted(late).then(() => 'LATE' as const)]);
  if (late.aborted) {
    const took = `${underWay.what} is under way for ${secondsSince(underWay.since)}`;
    console.error(`The images were not tested within ${MOST_MINUTES} minutes: ${took}`);
    await atMost(PUT_AWAY_MS, testing);
    process.exitCode = 1;
  } else if (result instanceof NotHereError && !isDemanded) {
    console.log(`SKIPPED, the images are not tested: ${result.message}`);
  } else if (result !== 'DONE') {
    console.error(`The images do not work: ${messageOf(result)}`);
    process.exitCode = 1;
  }
}

async function testImages(): Promise<void> {
  await timed('the tools', demandTools);
  await timed('the base image', () => ensureBase(late));
  await timed('the image of the server', () => buildImage('server', images.server, late));
  await timed('the image of the agent', () => buildImage('agent', images.agent, late));
  await timed('an image with the executable', () => buildOwnAgent(images.ownAgent, late));
  for (const image of [images.server, images.agent, images.ownAgent]) {
    console.log(`${image}: ${await sizeOf(image)} MiB with its base`);
  }
  await timed('the whole topology', () => runTopology(images, late));
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const since = performance.now();
  underWay = { what, since };
  await work();
  console.log(`${what}: ${secondsSince(since)}`);
}

function secondsSince(began: number): string {
  return `${((performance.now() - began) / 1_000).toFixed(1)} s`;
}

async function sizeOf(image: string): Promise<number> {
  const bytes = Number(await podman(['image', 'inspect', '--format', '{{.Size}}', image]));
  return Math.round(bytes / 2 ** 20);
}
