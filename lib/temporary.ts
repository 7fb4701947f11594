import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A new directory that its maker removes again. Other users may pass through it, not look into it: a database that runs as a user of
 * its own lies below.
 */
export async function makeTemporaryDirectory(prefix: string, parent = tmpdir()): Promise<string> {
  const path = await mkdtemp(join(parent, prefix));
  await chmod(path, 0o711);
  return path;
}
