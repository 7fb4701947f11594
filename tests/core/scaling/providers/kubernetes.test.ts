import { randomUUID } from 'node:crypto';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { GroupNotFound } from '../../../../core/scaling/provider.ts';
import { ACCOUNT_LABEL, createKubernetesProvider, GROUP_LABEL } from '../../../../core/scaling/providers/kubernetes.ts';
import { startKube, type Kube } from '../../../support/kube.ts';
import { behavesAsProvider, behavesOverHttp } from './suite.ts';

const never = new AbortController().signal;
let kube: Kube;
beforeAll(async () => {
  kube = await startKube();
});
afterEach(() => {
  kube.answer = undefined;
  kube.answersLeft = Infinity;
});
afterAll(() => kube.close());

async function make(kind: 'deployments' | 'statefulSets', options: { timeLimitMs?: number } = {}) {
  const id = randomUUID();
  const name = `herd-${id}`;
  const workload = { name, labels: { [GROUP_LABEL]: id } as Record<string, string>, replicas: 0 };
  kube[kind].push(workload);
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'test', server: kube.url, skipTLSVerify: true }, { name: 'tester' });
  return {
    workload,
    provider: createKubernetesProvider({ config, namespace: 'default', ...options }),
    server: kube,
    ref: { accountId: randomUUID(), containerGroupId: id, organization: null, project: null },
    machines: (count: number) => {
      const names = Array.from({ length: count }, (_, index) => `${name}-${index}`);
      kube.pods.push(...names.map((pod) => ({ name: pod, app: name, annotations: {} })));
      return names;
    },
  };
}

describe('a Deployment', () => {
  behavesAsProvider(() => make('deployments'));
  behavesOverHttp((options) => make('deployments', options));

  test('is told before it shrinks which of its pods are busy', async () => {
    const { provider, ref, machines } = await make('deployments');
    await provider.setReplicas(ref, 3, { busy: new Set() }, never);
    const [first = '', second = '', third = ''] = machines(3);
    await provider.setReplicas(ref, 1, { busy: new Set([second]) }, never);
    const cost = (name: string) =>
      kube.pods.find((pod) => pod.name === name)?.annotations['controller.kubernetes.io/pod-deletion-cost'] ?? '0';
    expect([first, second, third].map(cost)).toEqual(['0', '2147483647', '0']);
    expect(await provider.get(ref, never)).toMatchObject({ replicas: 1 });
  });

  test('of another account is not found', async () => {
    const { provider, ref, workload } = await make('deployments');
    workload.labels[ACCOUNT_LABEL] = randomUUID();
    await expect(provider.get(ref, never)).rejects.toBeInstanceOf(GroupNotFound);
  });
});

describe('a StatefulSet', () => {
  behavesAsProvider(() => make('statefulSets'));
  behavesOverHttp((options) => make('statefulSets', options));

  test('keeps its pods up to the last one that is busy', async () => {
    const { provider, ref, workload } = await make('statefulSets');
    await provider.setReplicas(ref, 5, { busy: new Set() }, never);
    await provider.setReplicas(ref, 1, { busy: new Set([`${workload.name}-2`]) }, never);
    expect(workload.replicas).toBe(3);
  });
});
