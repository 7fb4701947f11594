import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ROOT } from './bundle.ts';

const manifest = z.object({ name: z.string(), version: z.string(), license: z.string().optional() });
type Manifest = z.infer<typeof manifest>;

/** What licences want to be kept with a program: of each package that went into it, the whole text. Throws where one has no licence. */
export async function licensesOf(inputs: readonly string[]): Promise<string> {
  const folders = [...new Set(inputs.flatMap((input) => packageFolder(input) ?? []))].toSorted();
  const texts = await Promise.all(folders.map(licenseOf));
  return `${await licenseOfNode()}\n${texts.join('\n')}`;
}

/** Node's, with those of the libraries that are linked into it. Its package brings none of their texts, so they are kept here. */
async function licenseOfNode(): Promise<string> {
  const { version } = manifest.parse(JSON.parse(await readFile(join(ROOT, 'node_modules/node/package.json'), 'utf8')));
  const file = `node-${version}.license.txt`;
  const text = await readFile(join(import.meta.dirname, file), 'utf8').catch((error: unknown) => {
    throw new Error(
      `Expected the licence of Node.js ${version} in deploy/agent/${file}: put LICENSE of that release there`,
      {
        cause: error,
      },
    );
  });
  return `==== Node.js ${version}\n\n${text.trim()}\n`;
}

/** The innermost package that holds the file. */
function packageFolder(input: string): string | undefined {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
}

async function licenseOf(folder: string): Promise<string> {
  const { name, version, license }: Manifest = manifest.parse(
    JSON.parse(await readFile(join(ROOT, folder, 'package.json'), 'utf8')),
  );
  const files = (await readdir(join(ROOT, folder))).filter((file) => /^(?:licen[sc]e|notice|copying)/i.test(file));
  if (license === undefined && files.length === 0) {
    throw new Error(`Expected a licence of ${name} ${version}, which the executable would contain; found none`);
  }
  const texts = await Promise.all(files.toSorted().map((file) => readFile(join(ROOT, folder, file), 'utf8')));
  return `==== ${name} ${version} (${license ?? 'see below'})\n\n${texts.map((text) => text.trim()).join('\n\n')}\n`;
}
