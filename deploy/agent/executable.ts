import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.ts';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';
import { type Bundle, bundleAgent, ROOT } from './bundle.ts';
import { licensesOf } from './licenses.ts';

export interface Executable {
  path: string;
  /** Hexadecimal. */
  sha256: string;
  /** Why it is larger than it need be; absent where it is not. */
  unstripped?: string;
}

const run = promisify(execFile);

/** The package `node` brings it: what the agent is tested on is what it is shipped with. */
const NODE = join(ROOT, 'node_modules/node/bin/node');
/** By which Node finds the script in its own file. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const RESOURCE = 'NODE_SEA_BLOB';

/**
 * Makes `kelpie` in the directory: Node and the agent in one file, for the processor of this machine, with its checksum and the
 * licences of what it contains beside it. Each file is replaced whole, and no checksum ever stands beside an executable that it is not of: for
 * a moment there is none. Throws where a tool fails.
 */
export async function buildExecutable(directory: string): Promise<Executable> {
  await mkdir(directory, { recursive: true });
  // Beside what they replace: a rename does not cross file systems.
  const temporary = await makeTemporaryDirectory('.kelpie-', directory);
  try {
    const bundle = await bundleAgent();
    const built = join(temporary, 'kelpie');
    await copyFile(NODE, built);
    await chmod(built, 0o755);
    // First of all: afterwards it would throw the script away.
    const unstripped = await strip(built);
    await inject(await blobOf(bundle, temporary), built);
    const sha256 = await digestOf(built);
    await writeFile(join(temporary, 'kelpie.sha256'), `${sha256}  kelpie\n`);
    await writeFile(join(temporary, 'kelpie.licenses.txt'), await licensesOf(bundle.inputs));
    await rm(join(directory, 'kelpie.sha256'), { force: true });
    for (const name of ['kelpie.licenses.txt', 'kelpie', 'kelpie.sha256']) {
      await rename(join(temporary, name), join(directory, name));
    }
    return { path: join(directory, 'kelpie'), sha256, ...(unstripped === undefined ? {} : { unstripped }) };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Symbols and the like are some 16 MB. Not every machine has the tool. */
async function strip(file: string): Promise<string | undefined> {
  try {
    await run('strip', [file]);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What Node finds in its own file, as that very Node makes it. */
async function blobOf({ script, workers }: Bundle, directory: string): Promise<string> {
  const main = join(directory, 'kelpie.cjs');
  const output = join(directory, 'kelpie.blob');
  await writeFile(main, script);
  const assets: Record<string, string> = {};
  for (const [name, text] of workers) {
    const file = join(directory, name.replaceAll('/', '-'));
    await writeFile(file, text);
    assets[name] = file;
  }
  const config = join(directory, 'sea.json');
  const options = {
    // Compiled here and not at each start.
    useCodeCache: true,
    disableExperimentalSEAWarning: true,
    // NODE_OPTIONS of the image is for the image's programs: an option that this Node does not know would end the agent.
    execArgvExtension: 'none',
  };
  await writeFile(config, JSON.stringify({ main, output, assets, ...options }));
  await run(NODE, ['--experimental-sea-config', config], { env: {} });
  return output;
}

async function inject(blob: string, file: string): Promise<void> {
  const postject = join(ROOT, 'node_modules/postject/dist/cli.js');
  await run(NODE, [postject, file, RESOURCE, blob, '--sentinel-fuse', FUSE]);
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
