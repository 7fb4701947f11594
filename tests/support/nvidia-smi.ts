import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A folder with an executable of this name, which prints what the real one prints for these GPUs. */
export interface NvidiaSmi {
  /** PATH with it before everything else. */
  path: string;
  remove(): Promise<void>;
}

/** @param script of a shell; it is called with the arguments of the real program */
export async function installNvidiaSmi(script: string): Promise<NvidiaSmi> {
  const folder = await mkdtemp(join(tmpdir(), 'kelpie-smi-'));
  const file = join(folder, 'nvidia-smi');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return {
    path: `${folder}${delimiter}${process.env['PATH'] ?? ''}`,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Two cards, of which the second does not tell everything. Anything but the two known questions is refused, as by the real one. */
export const TWO_GPUS = `
case "$*" in
  '--query-gpu=index,name,memory.total,driver_version --format=csv,noheader,nounits')
    echo '0, NVIDIA GeForce RTX 4090, 24564, 550.54.14'
    echo '1, NVIDIA A100-SXM4-40GB, [N/A], 550.54.14' ;;
  '--query-gpu=index,utilization.gpu,memory.used --format=csv,noheader,nounits')
    echo '0, 97, 20480'
    echo '1, [N/A], [N/A]' ;;
  *)
    echo "ERROR: Field \\"$*\\" is not a valid field to query." >&2
    exit 2 ;;
esac`;
