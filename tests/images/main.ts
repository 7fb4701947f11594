import { messageOf } from '../../lib/errors.ts';
import { buildImage, ensureBase, missing, podman } from './podman.ts';
import { runTopology, type Images } from './topology.ts';

/**
 * `npm run test:images`: builds the images of the server and of the agent, and runs what docker-compose.yml describes from them, without a
 * registry and without Docker. Where that can't be done it is said why, and counts for nothing. The exit code is 0 only if all went well.
 */
const images: Images = { server: 'localhost/kelpie-test/server', agent: 'localhost/kelpie-test/agent' };
const why = await missing();
if (why !== undefined) {
  console.log(`The images are not tested: ${why}`);
} else {
  try {
    await timed('the base image', ensureBase);
    await timed('the image of the server', () => buildImage('server', images.server));
    await timed('the image of the agent', () => buildImage('agent', images.agent));
    for (const image of [images.server, images.agent])
      console.log(`${image}: ${await sizeOf(image)} MiB with its base`);
    await timed('the whole topology', () => runTopology(images));
  } catch (error) {
    console.error(`The images do not work: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
// Whatever a fault has left open must not keep this process.
process.exit();

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - began) / 1_000).toFixed(1)} s`);
}

async function sizeOf(image: string): Promise<number> {
  const bytes = Number(await podman(['image', 'inspect', '--format', '{{.Size}}', image]));
  return Math.round(bytes / 2 ** 20);
}
