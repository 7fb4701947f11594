import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { makeTemporaryDirectory } from '../../lib/temporary.ts';

/**
 * `npm run build:init`: compiles agent/init/init.c for both architectures into agent/init/programs.ts, which is committed, so that nobody
 * else needs compilers. Wanted only after a change of the source; a test says when.
 */
const COMPILERS = { x64: 'x86_64-linux-gnu-gcc', arm64: 'aarch64-linux-gnu-gcc' };
const FREE_STANDING = ['-Os', '-static', '-nostdlib', '-nostartfiles', '-ffreestanding', '-no-pie', '-fno-pie', '-s'];
/** Whatever else compilers put beside the code. */
const BARE = [
  ...['-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-Wl,--build-id=none', '-Wl,-n'],
  ...['-Wl,-z,noseparate-code', '-Wl,-z,norelro', '-Wall', '-Wextra', '-Werror'],
];

const folder = join(import.meta.dirname, '../../agent/init');
const source = join(folder, 'init.c');
const temporary = await makeTemporaryDirectory('kelpie-init-');
try {
  const target = join(folder, 'programs.ts');
  const text = `/** Made by \`npm run build:init\`: the programs that init.c becomes, in Base64, and the source's SHA-256. */
export const INIT_PROGRAMS: Readonly<Record<string, string>> = {
  x64: '${await compiled('x64')}',
  arm64: '${await compiled('arm64')}',
};
export const INIT_SOURCE_SHA256 = '${createHash('sha256')
    .update(await readFile(source))
    .digest('hex')}';
`;
  await writeFile(target, await format(text, { ...(await resolveConfig(target)), filepath: target }));
} finally {
  await rm(temporary, { recursive: true, force: true });
}

async function compiled(architecture: keyof typeof COMPILERS): Promise<string> {
  const program = join(temporary, architecture);
  await promisify(execFile)(COMPILERS[architecture], [...FREE_STANDING, ...BARE, '-o', program, source]);
  const bytes = await readFile(program);
  process.stdout.write(`${architecture}: ${bytes.length} bytes\n`);
  return bytes.toString('base64');
}
