import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { listGpus, parseGpus, parseGpuUse, sampleGpus } from '../../agent/gpu.ts';
import { createGpuSampler } from '../../agent/gpu-sampler.ts';
import { installNvidiaSmi, type NvidiaSmi, TWO_GPUS } from '../support/nvidia-smi.ts';

const GIB = 1024 ** 3;
const PATH = process.env['PATH'];
let installed: NvidiaSmi | undefined;

async function install(script: string): Promise<void> {
  installed = await installNvidiaSmi(script);
  process.env['PATH'] = installed.path;
}
afterEach(async () => {
  process.env['PATH'] = PATH;
  await installed?.remove();
});

describe('the driver’s program', () => {
  test('tells the GPUs and how busy they are, and nothing where it does not know', async () => {
    await install(TWO_GPUS);
    expect(await listGpus()).toEqual([
      { index: 0, name: 'NVIDIA GeForce RTX 4090', memoryBytes: 24_564 * 1024 ** 2, driverVersion: '550.54.14' },
      { index: 1, name: 'NVIDIA A100-SXM4-40GB', memoryBytes: null, driverVersion: '550.54.14' },
    ]);
    expect(await sampleGpus()).toEqual([
      { index: 0, utilization: 0.97, memoryUsedBytes: 20 * GIB },
      { index: 1, utilization: null, memoryUsedBytes: null },
    ]);
  });

  test.each([
    ['has no devices', 'echo "No devices were found"; exit 6'],
    [
      'cannot reach the driver',
      'echo "NVIDIA-SMI has failed because it could not communicate with the driver"; exit 9',
    ],
    ['prints something else', 'echo "<html>, 1, 2, 3"'],
    ['never stops printing', 'yes "0, a, 1, b"'],
    ['is ended by a signal', 'kill -9 $$'],
  ])('that %s is as none', async (_name, script) => {
    await install(script);
    expect(await listGpus()).toEqual([]);
  });

  test('that is not there is as none', async () => {
    process.env['PATH'] = '/nonexistent';
    expect(await listGpus()).toEqual([]);
  });

  test('that hangs is given up after five seconds, with what it has started', async () => {
    await install('sleep 60 & wait');
    const began = performance.now();
    expect(await sampleGpus()).toEqual([]);
    expect(performance.now() - began).toBeLessThan(8_000);
  }, 15_000);

  test('may print anything', () => {
    fc.assert(
      fc.property(fc.string(), (answer) => {
        for (const { utilization } of parseGpuUse(answer)) expect(utilization ?? 0).toBeLessThanOrEqual(1);
        expect(parseGpus(answer).length).toBeLessThanOrEqual(64);
      }),
    );
  });
});

describe('the sampler', () => {
  test('looks at most every ten seconds, and only when it is asked; each sample is told once, with its age', async () => {
    let now = 0;
    const looks: number[] = [];
    const gpus = [{ index: 0, utilization: 0.5, memoryUsedBytes: 1 }];
    const sampler = createGpuSampler(
      () => true,
      () => now,
      () => {
        looks.push(now);
        return Promise.resolve(gpus);
      },
    );
    expect(sampler.take()).toBeUndefined();
    await Promise.resolve();
    now = 4_000;
    expect(sampler.take()).toEqual({ ageMillis: 4_000, gpus });
    expect(sampler.take()).toBeUndefined();
    now = 10_000;
    sampler.take();
    expect(looks).toEqual([0, 10_000]);
  });

  test('does nothing where there are no GPUs', () => {
    const sampler = createGpuSampler(
      () => false,
      () => 0,
      () => Promise.reject(new Error('nobody is to look')),
    );
    expect(sampler.take()).toBeUndefined();
  });
});
