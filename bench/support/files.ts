import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const BLOCK_BYTES = 2 ** 20;

/** One file of `bytes` random bytes. */
export async function writeLargeFile(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    for (let left = bytes; left > 0; left -= BLOCK_BYTES) {
      await handle.writeFile(randomBytes(Math.min(left, BLOCK_BYTES)));
    }
  } finally {
    await handle.close();
  }
}

/** `count` files of `bytes` random bytes each, in folders of a hundred. */
export async function writeSmallFiles(directory: string, count: number, bytes: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const folder = join(directory, `part-${Math.floor(index / 100)}`);
    if (index % 100 === 0) await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `sample-${index}.bin`), randomBytes(bytes));
  }
}

/** One digest of the names and contents of all files below. */
export async function digestOf(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const whole = createHash('sha256');
  for (const file of files.sort()) {
    const content = createHash('sha256');
    await pipeline(createReadStream(file, { highWaterMark: BLOCK_BYTES }), content);
    whole.update(`${file.slice(directory.length)} ${content.digest('hex')}\n`);
  }
  return `${files.length} files ${whole.digest('hex')}`;
}
