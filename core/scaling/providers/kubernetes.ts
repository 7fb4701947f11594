import {
  ApiException,
  AppsV1Api,
  type ConfigurationOptions,
  CoreV1Api,
  type KubeConfig,
  Observable,
  PatchStrategy,
  setHeaderOptions,
  type V1Deployment,
  type V1StatefulSet,
} from '@kubernetes/client-node';
import {
  type Group,
  GroupNotFound,
  type GroupRef,
  inTime,
  type Instance,
  type Provider,
  ProviderTrouble,
  type Sparing,
} from '../provider.ts';
import { anyOf } from '../../../lib/signals.ts';

export interface KubernetesOptions {
  config: KubeConfig;
  namespace: string;
  /** How long one answer may take, in milliseconds (10,000). */
  timeLimitMs?: number | undefined;
}

const TIME_LIMIT_MS = 10_000;

/** By this label of a Deployment or StatefulSet a group is found; its pods are found by its own selector. */
export const GROUP_LABEL = 'kelpie.dev/container-group';
/** Where it is there, only the rules of this account act on the group. */
export const ACCOUNT_LABEL = 'kelpie.dev/account';
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
/** The greatest that there is: pods that work on a job go last. */
const BUSY_COST = '2147483647';

interface Workload {
  kind: 'Deployment' | 'StatefulSet';
  name: string;
  replicas: number;
  selector: string;
}

/** Deployments and StatefulSets as container groups; a machine is a pod, and its agent is called as the pod is. */
export function createKubernetesProvider(options: KubernetesOptions): Provider {
  const apis = { apps: options.config.makeApiClient(AppsV1Api), pods: options.config.makeApiClient(CoreV1Api) };
  // What the client does before it sends, such as running a program for a token, heeds no signal.
  const within = <Result>(
    ref: GroupRef,
    signal: AbortSignal,
    work: (cluster: Cluster) => Promise<Result>,
  ): Promise<Result> =>
    inTime(signal, () =>
      work(clusterOf(apis, options, signal)).catch((error: unknown) => Promise.reject(meaningOf(error, ref))),
    );

  return {
    name: 'kubernetes',
    get: (ref, signal) => within(ref, signal, async ({ find }) => describe(await find(ref), options.namespace)),
    // Set to a size it runs already: there is no other way for it not to run than to have none.
    start: (ref, signal) => within(ref, signal, ({ find }) => find(ref).then(() => undefined)),
    stop: (ref, sparing, signal) =>
      within(ref, signal, async ({ find, scale, spare }) => {
        const workload = await find(ref);
        await scale(workload, await spare(workload, 0, sparing));
      }),
    setReplicas: (ref, count, sparing, signal) =>
      within(ref, signal, async ({ find, scale, spare }) => {
        const workload = await find(ref);
        await scale(workload, await spare(workload, count, sparing));
      }),
    instances: (ref, signal) =>
      within(ref, signal, async ({ find, podsOf }) =>
        (await podsOf(await find(ref))).map(({ metadata, status }): Instance => {
          const name = metadata?.name ?? '';
          return { id: name, machineId: name, isRunning: status?.phase === 'Running' };
        }),
      ),
    reallocate: (ref, { id }, signal) => within(ref, signal, ({ remove }) => remove(id)),
  };
}

type Cluster = ReturnType<typeof clusterOf>;

/** What of the cluster's API a group needs, as long as `signal` is not aborted. */
function clusterOf(
  { apps, pods }: { apps: AppsV1Api; pods: CoreV1Api },
  { namespace, timeLimitMs = TIME_LIMIT_MS }: KubernetesOptions,
  signal: AbortSignal,
) {
  const limited = limitedBy(signal, timeLimitMs);
  const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch, limited);

  const find = async (ref: GroupRef): Promise<Workload> => {
    const labelSelector = `${GROUP_LABEL}=${ref.containerGroupId}`;
    // What is no label is nobody's.
    if (!/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(ref.containerGroupId)) throw notThere(ref);
    const [deployments, statefulSets] = await Promise.all([
      apps.listNamespacedDeployment({ namespace, labelSelector }, limited),
      apps.listNamespacedStatefulSet({ namespace, labelSelector }, limited),
    ]);
    const found = [
      ...deployments.items.map((item) => ({ kind: 'Deployment' as const, item })),
      ...statefulSets.items.map((item) => ({ kind: 'StatefulSet' as const, item })),
    ].filter(({ item }) => (item.metadata?.labels?.[ACCOUNT_LABEL] ?? ref.accountId) === ref.accountId);
    const [only, second] = found;
    if (only === undefined) throw notThere(ref);
    if (second !== undefined) throw new ProviderTrouble(`More than one workload has the label ${labelSelector}`);
    return workloadOf(only.kind, only.item);
  };

  const scale = async ({ kind, name }: Workload, replicas: number): Promise<void> => {
    const request = { name, namespace, body: { spec: { replicas } } };
    if (kind === 'Deployment') await apps.patchNamespacedDeploymentScale(request, merge);
    else await apps.patchNamespacedStatefulSetScale(request, merge);
  };
  const podsOf = async ({ selector }: Workload) =>
    (await pods.listNamespacedPod({ namespace, labelSelector: selector }, limited)).items;

  /** Idle pods go first. A StatefulSet knows no cost: it gives up its highest numbers, so it keeps up to the last busy one. */
  const spare = async (workload: Workload, count: number, { busy }: Sparing): Promise<number> => {
    if (count >= workload.replicas) return count;
    if (workload.kind === 'StatefulSet') {
      return countWith(busy, workload, count);
    }
    for (const { metadata } of await podsOf(workload)) {
      const name = metadata?.name ?? '';
      const cost = busy.has(name) ? BUSY_COST : '0';
      if ((metadata?.annotations?.[DELETION_COST] ?? '0') === cost) continue;
      const body = { metadata: { annotations: { [DELETION_COST]: cost } } };
      await pods.patchNamespacedPod({ name, namespace, body }, merge).catch(unlessGone);
    }
    return count;
  };
  const remove = async (name: string): Promise<void> => {
    await pods.deleteNamespacedPod({ name, namespace }, limited).catch(unlessGone);
  };
  return { find, scale, podsOf, spare, remove };
}

function workloadOf(kind: Workload['kind'], { metadata, spec }: V1Deployment | V1StatefulSet): Workload {
  const selector = Object.entries(spec?.selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  return { kind, name: metadata?.name ?? '', replicas: spec?.replicas ?? 1, selector: selector.join(',') };
}

/** Each request has a time limit of its own, and is broken off with `signal`. */
function limitedBy(signal: AbortSignal, timeLimitMs: number): ConfigurationOptions {
  return {
    middleware: [
      {
        pre(request) {
          request.setSignal(anyOf(signal, AbortSignal.timeout(timeLimitMs)));
          return new Observable(Promise.resolve(request));
        },
        post: (response) => new Observable(Promise.resolve(response)),
      },
    ],
    middlewareMergeStrategy: 'append',
  };
}

/** So many that the last busy pod is among them: they are numbered from 0. */
function countWith(busy: ReadonlySet<string>, { name, replicas }: Workload, count: number): number {
  const ordinals = [...busy]
    .filter((pod) => pod.startsWith(`${name}-`))
    .map((pod) => Number(pod.slice(name.length + 1)))
    .filter(Number.isInteger);
  return Math.min(replicas, Math.max(count, ...ordinals.map((ordinal) => ordinal + 1)));
}

function describe({ kind, name, replicas }: Workload, namespace: string): Group {
  return { identity: `${kind}/${namespace}/${name}`, name, replicas, status: replicas === 0 ? 'STOPPED' : 'RUNNING' };
}

function unlessGone(error: unknown): void {
  if (!(error instanceof ApiException && error.code === 404)) throw error;
}

function meaningOf(error: unknown, ref: GroupRef): Error {
  if (error instanceof ProviderTrouble || error instanceof GroupNotFound) return error;
  if (!(error instanceof ApiException))
    return new ProviderTrouble('Kubernetes did not answer in time', { cause: error });
  if (error.code === 404) return notThere(ref);
  const seconds = Number(error.headers['retry-after'] ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? Math.min(seconds, 3_600) * 1_000 : undefined;
  return new ProviderTrouble(`Kubernetes answered with status ${error.code}`, { retryAfterMs });
}

function notThere({ containerGroupId }: GroupRef): GroupNotFound {
  return new GroupNotFound(
    `Kubernetes has no Deployment or StatefulSet with the label ${GROUP_LABEL}=${containerGroupId}: check the id and the label`,
  );
}
