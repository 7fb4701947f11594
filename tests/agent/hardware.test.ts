import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytesOfLimit, cpusOfLimit, findHardware } from '../../agent/hardware.ts';
import { hardwareSchema } from '../../core/agents/hardware.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-cgroup-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the hardware', () => {
  test('is what the machine has, in a form that a server takes', async () => {
    const found = await findHardware({ workingDirectory: folder, cgroup: join(folder, 'none') });
    expect(found).toMatchObject({ cpus: availableParallelism(), memoryBytes: totalmem() });
    expect(found['diskBytes']).toBeGreaterThan(0);
    expect(found['diskFreeBytes']).toBeLessThanOrEqual(found['diskBytes'] as number);
    expect(hardwareSchema.parse(found)).toEqual(found);
  });

  test('is no more than the container may use', async () => {
    await writeFile(join(folder, 'cpu.max'), '50000 100000\n');
    await writeFile(join(folder, 'memory.max'), '1048576\n');
    const found = await findHardware({ workingDirectory: join(folder, 'not there'), cgroup: folder });
    expect(found).toMatchObject({ cpus: 0.5, memoryBytes: 1_048_576 });
    expect(found).not.toHaveProperty('diskBytes');
  });

  test.each([
    ['200000 100000\n', 2],
    ['150000 100000', 1.5],
    ['max 100000\n', Infinity],
    ['0 100000\n', Infinity],
    ['1 0', Infinity],
    ['', Infinity],
  ])('a limit of processor time %j is so many cores', (text, cores) => {
    expect(cpusOfLimit(text)).toBe(cores);
  });

  test.each([
    ['1073741824\n', 1_073_741_824],
    ['max\n', Infinity],
    ['', Infinity],
  ])('a limit of memory %j is so many bytes', (text, bytes) => {
    expect(bytesOfLimit(text)).toBe(bytes);
  });
});
