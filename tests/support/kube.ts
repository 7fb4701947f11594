import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { listenLocally } from '../../lib/port.ts';

interface Workload {
  name: string;
  labels: Record<string, string>;
  replicas: number;
}

/** What a scaler asks of Kubernetes' API: lists by label, the scale subresource, and pods, as its reference has them. */
export interface Kube {
  url: string;
  deployments: Workload[];
  statefulSets: Workload[];
  pods: { name: string; app: string; annotations: Record<string, string> }[];
  asked: string[];
  /** In place of the ordinary answers. */
  answer: RequestListener | undefined;
  /** So many requests are answered, and then none. */
  answersLeft: number;
  close(): Promise<void>;
}

const scalePatch = z.object({ spec: z.object({ replicas: z.int().min(0) }) });
const podPatch = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) });
const APPS = /^\/apis\/apps\/v1\/namespaces\/default\/(deployments|statefulsets)(?:\/([^/]+)\/scale)?$/;
const PODS = /^\/api\/v1\/namespaces\/default\/pods(?:\/([^/]+))?$/;

export async function startKube(): Promise<Kube> {
  const server = createServer((request, response) => {
    kube.asked.push(`${request.method} ${request.url}`);
    if (kube.answersLeft-- <= 0) return;
    if (kube.answer !== undefined) {
      kube.answer(request, response);
      return;
    }
    void answerTo(kube, request).then(({ status, body }) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  const port = await listenLocally(server);
  const kube: Kube = {
    url: `http://127.0.0.1:${port}`,
    deployments: [],
    statefulSets: [],
    pods: [],
    asked: [],
    answer: undefined,
    answersLeft: Infinity,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return kube;
}

interface Reply {
  status: number;
  body: object;
}

async function answerTo(kube: Kube, request: IncomingMessage): Promise<Reply> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://kube');
  const isPatch = request.method === 'PATCH';
  if (isPatch && request.headers['content-type'] !== 'application/merge-patch+json') return failure(415);
  const [label = '', value = ''] = (searchParams.get('labelSelector') ?? '').split('=');
  const apps = APPS.exec(pathname);
  if (apps) {
    const all = apps[1] === 'deployments' ? kube.deployments : kube.statefulSets;
    if (apps[2] === undefined) return ok({ items: all.filter(({ labels }) => labels[label] === value).map(shown) });
    const one = all.find(({ name }) => name === apps[2]);
    if (one === undefined || !isPatch) return failure(404);
    one.replicas = scalePatch.parse(await json(request)).spec.replicas;
    return ok({ kind: 'Scale', metadata: { name: one.name }, spec: { replicas: one.replicas } });
  }
  const [, name] = PODS.exec(pathname) ?? [];
  if (name === undefined) return ok({ items: kube.pods.filter(({ app }) => app === value).map(shownPod) });
  const pod = kube.pods.find((one) => one.name === name);
  if (pod === undefined) return failure(404);
  if (isPatch) Object.assign(pod.annotations, podPatch.parse(await json(request)).metadata.annotations);
  if (request.method === 'DELETE') kube.pods = kube.pods.filter((one) => one !== pod);
  return ok(shownPod(pod));
}

function shown({ name, labels, replicas }: Workload) {
  return {
    metadata: { name, labels, uid: randomUUID() },
    spec: { replicas, selector: { matchLabels: { app: name } } },
  };
}

function shownPod({ name, app, annotations }: Kube['pods'][number]) {
  return { metadata: { name, labels: { app }, annotations }, status: { phase: 'Running' } };
}

function ok(body: object): Reply {
  return { status: 200, body };
}

function failure(status: number): Reply {
  return { status, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status } };
}
