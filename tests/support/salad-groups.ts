import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { listenLocally } from '../../lib/port.ts';

interface FakeGroup {
  id: string;
  name: string;
  replicas: number;
  status: string;
  instances: { id: string; machine_id: string; state: string }[];
}

/** Salad's container groups, as far as its published document goes for what a scaler asks. */
export interface SaladGroups {
  url: string;
  groups: FakeGroup[];
  asked: string[];
  /** In place of the ordinary answers. */
  answer: RequestListener | undefined;
  /** So many requests are answered, and then none. */
  answersLeft: number;
  /** Requests with this in their path are not answered. */
  silentAbout: string | undefined;
  /** Requests with this in their path are refused with status 500. */
  brokenAbout: string | undefined;
  /** Breaks off what is being asked. */
  hangUp(): void;
  close(): Promise<void>;
}

const ROOT = '/api/public/organizations/acme/projects/lab/containers';
const patch = z.strictObject({ replicas: z.int().min(0).max(500) });

export async function startSaladGroups(key: string): Promise<SaladGroups> {
  const server = createServer((request, response) => {
    api.asked.push(`${request.method} ${request.url?.replace(ROOT, '')}`);
    const isAbout = (name: string | undefined) => name !== undefined && request.url?.includes(name) === true;
    if (api.answersLeft-- <= 0 || isAbout(api.silentAbout)) return;
    if (isAbout(api.brokenAbout)) {
      response.writeHead(500).end();
      return;
    }
    if (api.answer !== undefined) {
      api.answer(request, response);
      return;
    }
    void answerTo(api, request, key).then(({ status, body }) => {
      response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    });
  });
  const port = await listenLocally(server);
  const api: SaladGroups = {
    url: `http://127.0.0.1:${port}/api/public`,
    groups: [],
    asked: [],
    answer: undefined,
    answersLeft: Infinity,
    silentAbout: undefined,
    brokenAbout: undefined,
    hangUp: () => server.closeAllConnections(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}

async function answerTo(api: SaladGroups, request: IncomingMessage, key: string) {
  const { method, url = '', headers } = request;
  if (headers['salad-api-key'] !== key) return problem(401);
  if (!url.startsWith(ROOT)) return problem(404);
  const [, name, verb, id, last] = url.slice(ROOT.length).split('/');
  if (name === undefined) return { status: 200, body: { items: api.groups.map(shown) } };
  const group = api.groups.find((one) => one.name === name);
  if (group === undefined) return problem(404);
  const route = `${method} ${[verb, id && ':id', last].filter(Boolean).join('/')}`;
  switch (route) {
    case 'GET ':
      return { status: 200, body: shown(group) };
    case 'PATCH ': {
      if (headers['content-type'] !== 'application/merge-patch+json') return problem(415);
      const change = patch.safeParse(await json(request));
      if (!change.success) return problem(400);
      group.replicas = change.data.replicas;
      return { status: 200, body: shown(group) };
    }
    case 'POST start':
      group.status = 'deploying';
      return { status: 202, body: undefined };
    case 'POST stop':
      group.status = 'stopped';
      group.instances = [];
      return { status: 202, body: undefined };
    case 'GET instances':
      return { status: 200, body: { instances: group.instances } };
    case 'POST instances/:id/reallocate': {
      const before = group.instances.length;
      group.instances = group.instances.filter((one) => one.id !== id);
      return group.instances.length < before ? { status: 202, body: undefined } : problem(404);
    }
    default:
      return problem(404);
  }
}

function shown({ id, name, replicas, status }: FakeGroup) {
  const at = '2026-05-10T12:00:00Z';
  return { id, name, display_name: name, replicas, create_time: at, update_time: at, current_state: { status } };
}

function problem(status: number) {
  return { status, body: { type: 'about:blank', title: `Status ${status}`, status } };
}
