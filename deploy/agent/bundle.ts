import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build, type Metafile } from 'esbuild';

export const ROOT = join(import.meta.dirname, '../..');
const AGENT = join(ROOT, 'agent');

export interface Bundle {
  /** The whole agent, as one CommonJS script. */
  script: string;
  /** The script of each thread that the agent may start: its file below agent/ → its own bundle. */
  workers: ReadonlyMap<string, string>;
  /** The files that any of them is made of, relative to the repository. */
  inputs: string[];
}

/** Makes the agent's scripts. The same sources and packages make the same bytes, wherever they lie. */
export async function bundleAgent(): Promise<Bundle> {
  const main = await bundled(join(AGENT, 'start.ts'));
  const files = (await readdir(AGENT, { recursive: true })).filter((file) => file.endsWith('.worker.ts')).toSorted();
  const workers = await Promise.all(files.map(async (file) => ({ file, ...(await bundled(join(AGENT, file))) })));
  return {
    script: main.script,
    workers: new Map(workers.map(({ file, script }) => [file, script])),
    inputs: [...new Set([main, ...workers].flatMap(({ metafile }) => Object.keys(metafile.inputs)))].toSorted(),
  };
}

async function bundled(entry: string): Promise<{ script: string; metafile: Metafile }> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [relative(ROOT, entry)],
    bundle: true,
    platform: 'node',
    // An executable's script is CommonJS; it has no address of its own, and nothing may ask for one there.
    format: 'cjs',
    define: { 'import.meta.url': 'undefined' },
    target: `node${await nodeMajor()}`,
    minify: true,
    // Names of classes and functions are in the logs.
    keepNames: true,
    legalComments: 'none',
    metafile: true,
    write: false,
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`Expected a bundle of ${entry}, got none`);
  return { script: output.text, metafile };
}

/** Of the Node that goes into the executable. */
async function nodeMajor(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(ROOT, 'node_modules/node/package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version.split('.')[0] ?? '';
}
