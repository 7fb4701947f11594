import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ROOT } from './bundle.ts';

/** Its package brings none of its texts. */
const NODE = `The executable contains Node.js ${process.versions.node} (MIT) with the libraries that are linked into it: their licences are
https://github.com/nodejs/node/blob/v${process.versions.node}/LICENSE. It contains these packages, too.`;

const manifest = z.object({ name: z.string(), version: z.string(), license: z.string().optional() });
type Manifest = z.infer<typeof manifest>;

/** What licences want to be kept with a program: of each package that went into it, the whole text. Throws where one has no licence. */
export async function licensesOf(inputs: readonly string[]): Promise<string> {
  const folders = [...new Set(inputs.flatMap((input) => packageFolder(input) ?? []))].toSorted();
  const texts = await Promise.all(folders.map(licenseOf));
  return `${NODE}\n\n${texts.join('\n')}`;
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
