import { describe, expect } from 'vitest';
import { scenarios, timeOf } from '../../support/fleet.ts';
import { ask } from '../../support/graphql.ts';
import { installNvidiaSmi, TWO_GPUS } from '../../support/nvidia-smi.ts';
import { until } from '../../support/until.ts';

const test = scenarios();

interface Seen {
  state: string;
  hardware: { gpus: { name: string }[]; cpus: number; all: object } | null;
  gpuUse: { index: number; utilization: number | null; memoryUsedBytes: string | null }[];
  gpuUseAt: string | null;
  jobs: { id: string }[];
}

describe('an agent', () => {
  test('tells what its machine has and, while a job runs, how busy its GPUs are', async ({ scene }) => {
    const smi = await installNvidiaSmi(TWO_GPUS);
    const seen = async (): Promise<Seen | undefined> => {
      const query = `query ($group: String!) { agents(filter: { containerGroupId: $group }) { nodes {
        state hardware { cpus gpus { name } all } gpuUse { index utilization memoryUsedBytes } gpuUseAt jobs { id } } } }`;
      const answer = await ask(scene.fleet.app, scene.fleet.ownerKey, query, { group: scene.group });
      return (answer as unknown as { nodes: Seen[] }).nodes[0];
    };
    await scene.agent('with-gpus', { PATH: smi.path });
    const idle = await until('its hardware', async () => {
      const agent = await seen();
      return agent?.hardware ? agent : undefined;
    });
    expect(idle.state).toBe('IDLE');
    expect(idle.hardware?.gpus.map(({ name }) => name)).toEqual(['NVIDIA GeForce RTX 4090', 'NVIDIA A100-SXM4-40GB']);
    expect(idle.hardware?.cpus).toBeGreaterThan(0);
    expect(idle.gpuUse).toEqual([]);
    const gate = scene.gate('go');
    const job = await scene.submit({ script: gate.script, heartbeatInterval: 1 });
    const busy = await until('how busy it is', async () => {
      const agent = await seen();
      return agent?.gpuUse.length === 2 ? agent : undefined;
    });
    expect(busy).toMatchObject({
      state: 'BUSY',
      gpuUse: [
        { index: 0, utilization: 0.97, memoryUsedBytes: '21474836480' },
        { index: 1, utilization: null, memoryUsedBytes: null },
      ],
      jobs: [{ id: job.id }],
    });
    expect(Date.now() - Date.parse(busy.gpuUseAt ?? '')).toBeLessThan(60_000);
    await gate.open();
    await until('it to be idle', async () => (await seen())?.state === 'IDLE');
    await smi.remove();
  });

  test('takes work although the driver’s program hangs', async ({ scene }) => {
    const smi = await installNvidiaSmi('exec sleep 60');
    const job = await scene.submit({ script: 'true' });
    const agent = await scene.agent('hanging', { PATH: smi.path });
    expect((await job.end()).status).toBe('COMPLETED');
    const [started, registered] = [await agent.said('The agent starts'), await agent.said('"msg":"Registered"')];
    expect(timeOf(registered) - timeOf(started)).toBeLessThan(4_000);
    const query = `query ($group: String!) {
      agents(filter: { containerGroupId: $group }) { nodes { hardware { gpus { name } } } } }`;
    await until('the rest of its hardware', async () => {
      const answer = await ask(scene.fleet.app, scene.fleet.ownerKey, query, { group: scene.group });
      const [node] = (answer as unknown as { nodes: Pick<Seen, 'hardware'>[] }).nodes;
      return node?.hardware?.gpus.length === 0;
    });
    await smi.remove();
  });
});
