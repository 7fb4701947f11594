import { readFile, statfs } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { pause } from '../lib/pause.ts';
import { type Gpu, listGpus } from './gpu.ts';

const CGROUP = '/sys/fs/cgroup';
/** A disk that does not answer must not keep the rest from being told. */
const DISK_WITHIN_MS = 5_000;
const LONGEST_TEXT = 255;

/**
 * What there is of this machine for this container. Never rejects, and takes some seconds at most; what can't be found out is left
 * out.
 * @param parts.cgroup where the limits of the container stand
 */
export async function findHardware(parts: {
  workingDirectory: string;
  cgroup?: string;
}): Promise<Record<string, unknown> & { gpus: Gpu[] }> {
  const { workingDirectory, cgroup = CGROUP } = parts;
  const [gpus, disk, cpuLimit, memoryLimit] = await Promise.all([
    listGpus(),
    diskOf(workingDirectory),
    limitOf(cgroup, 'cpu.max').then(cpusOfLimit),
    limitOf(cgroup, 'memory.max').then(bytesOfLimit),
  ]);
  const cpuModel = cpus()[0]?.model.trim().slice(0, LONGEST_TEXT);
  return {
    platform: platform(),
    arch: arch(),
    cpus: Math.min(availableParallelism(), cpuLimit),
    ...(cpuModel === undefined || cpuModel === '' ? {} : { cpuModel }),
    memoryBytes: Math.min(totalmem(), memoryLimit),
    ...disk,
    gpus,
  };
}

/** `cpu.max` of a cgroup as a number of cores: microseconds of time in each period of so many; Infinity without a limit. */
export function cpusOfLimit(text: string): number {
  const [, quota, period] = /^(\d+) (\d+)\s*$/.exec(text) ?? [];
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : Infinity;
}

/** `memory.max` of a cgroup in bytes; Infinity without a limit. */
export function bytesOfLimit(text: string): number {
  return /^\d+\s*$/.test(text) ? Number(text) : Infinity;
}

/** Empty where there are no cgroups of the second version. */
function limitOf(cgroup: string, name: string): Promise<string> {
  return readFile(join(cgroup, name), 'utf8').catch(() => '');
}

async function diskOf(directory: string): Promise<{ diskBytes?: number; diskFreeBytes?: number }> {
  const late = new AbortController();
  const asked = statfs(directory).then(
    ({ blocks, bavail, bsize }) => ({ diskBytes: blocks * bsize, diskFreeBytes: bavail * bsize }),
    () => ({}),
  );
  try {
    return await Promise.race([asked, pause(DISK_WITHIN_MS, late.signal).then(() => ({}))]);
  } finally {
    late.abort();
  }
}
