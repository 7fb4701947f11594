import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { GroupNotFound, type GroupRef, type Provider } from '../../../../core/scaling/provider.ts';

/** A provider, and one group of it that is stopped and set to one replica. */
export interface Subject {
  provider: Provider;
  ref: GroupRef;
  /** Makes its machines come up, where that takes somebody else. @returns their ids */
  machines: (count: number) => Promise<string[]>;
}

const spare = { busy: new Set<string>() };
const never = new AbortController().signal;

/** What every provider does alike. Each test has a subject of its own. */
export function behavesAsProvider(make: () => Promise<Subject>): void {
  test('a group it does not know is not found', async () => {
    const { provider, ref } = await make();
    const unknown = { ...ref, containerGroupId: randomUUID() };
    await expect(provider.get(unknown, never)).rejects.toBeInstanceOf(GroupNotFound);
  });

  test('a stopped group is given a size, is started, and stopped again; each verb twice is as once', async () => {
    const { provider, ref } = await make();
    expect(await provider.get(ref, never)).toMatchObject({ status: 'STOPPED' });
    for (let twice = 0; twice < 2; twice++) await provider.setReplicas(ref, 3, spare, never);
    for (let twice = 0; twice < 2; twice++) await provider.start(ref, never);
    expect(await provider.get(ref, never)).toMatchObject({ status: 'RUNNING', replicas: 3 });
    await provider.setReplicas(ref, 5, spare, never);
    expect(await provider.get(ref, never)).toMatchObject({ status: 'RUNNING', replicas: 5 });
    for (let twice = 0; twice < 2; twice++) await provider.stop(ref, spare, never);
    expect(await provider.get(ref, never)).toMatchObject({ status: 'STOPPED' });
  });

  test('a machine is given up, and one that is gone already is fine', async () => {
    const { provider, ref, machines } = await make();
    await provider.setReplicas(ref, 2, spare, never);
    await provider.start(ref, never);
    const [doomed] = await machines(2);
    const instance = (await provider.instances(ref, never)).find(({ machineId }) => machineId === doomed);
    if (instance === undefined) throw new Error(`Expected an instance for machine ${doomed}`);
    for (let twice = 0; twice < 2; twice++) await provider.reallocate(ref, instance, never);
    const left = await provider.instances(ref, never);
    expect(left.map(({ machineId }) => machineId)).not.toContain(doomed);
  });
}
