import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { listenLocally } from '../../lib/port.ts';

/** Salad's public API, as far as its document goes for one project: who may see it, and how it says no. */
export interface SaladApi {
  url: string;
  /** What was asked: path and presented key. */
  asked: { path: string | undefined; key: string | string[] | undefined }[];
  /** Keys by `organization/project`. */
  keys: Map<string, Set<string>>;
  /** In place of the ordinary answer. */
  answer: RequestListener | undefined;
  close(): Promise<void>;
}

export async function startSaladApi(): Promise<SaladApi> {
  const server = createServer((request, response) => {
    const { url: path, headers } = request;
    api.asked.push({ path, key: headers['salad-api-key'] });
    if (api.answer !== undefined) {
      api.answer(request, response);
      return;
    }
    const { status, body } = answerTo(api, request);
    response.writeHead(status, { 'Content-Type': status === 200 ? 'application/json' : 'application/problem+json' });
    response.end(JSON.stringify(body));
  });
  const api: SaladApi = {
    url: `${await listen(server)}/api/public`,
    asked: [],
    keys: new Map(),
    answer: undefined,
    close: () => close(server),
  };
  return api;
}

function answerTo(api: SaladApi, { method, url, headers }: IncomingMessage): { status: number; body: object } {
  const key = headers['salad-api-key'];
  const match = /^\/api\/public\/organizations\/([a-z0-9-]+)\/projects\/([a-z0-9-]+)$/.exec(url ?? '');
  const known = [...api.keys.values()].some((keys) => typeof key === 'string' && keys.has(key));
  if (method !== 'GET' || match === null) return problem(404, 'not_found');
  if (!known) return problem(401, 'unauthorized');
  const [, organization, project] = match;
  const keys = api.keys.get(`${organization}/${project}`);
  if (keys === undefined) return problem(404, 'not_found');
  if (!keys.has(key as string)) return problem(403, 'forbidden');
  const at = '2025-05-10T12:00:00Z';
  const id = '2f1a4f0e-3f3a-4d5c-9d43-0f6f1b6a7c11';
  return { status: 200, body: { id, name: project, display_name: 'A Project', create_time: at, update_time: at } };
}

function problem(status: number, type: string) {
  return { status, body: { type, title: type, status } };
}

/** The claims of a machine's token, as the instance metadata service gives it out. */
export const instanceClaims = {
  salad_organization_name: 'acme',
  salad_organization_id: '6b7c5b0e-0b0a-4c84-9c25-6d1a3f0a9f01',
  salad_workload_id: 'group',
  salad_machine_id: 'machine',
};

/** Salad's keys and the service that publishes them. */
export interface SaladKeys {
  url: string;
  /** How often the keys were fetched. */
  fetched: number;
  /** In place of the keys. */
  answer: RequestListener | undefined;
  /** The public half of the present key. */
  publicJwk: JWK;
  /** A token as Salad would sign it. A claim that is undefined is left out. */
  token(
    claims?: JWTPayload,
    options?: { kid?: string; key?: CryptoKey; expires?: number | string | null },
  ): Promise<string>;
  /** From now on another key signs, and it alone is published. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

export async function startSaladKeys(): Promise<SaladKeys> {
  let signing: { kid: string; key: CryptoKey };
  const server = createServer((request, response) => {
    keys.fetched += 1;
    if (keys.answer !== undefined) {
      keys.answer(request, response);
      return;
    }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ keys: [keys.publicJwk] }));
  });
  const keys: SaladKeys = {
    url: `${await listen(server)}/.well-known/workload-jwks.json`,
    fetched: 0,
    answer: undefined,
    publicJwk: {},
    async token(claims = {}, { kid = signing.kid, key = signing.key, expires = '5m' } = {}) {
      const jwt = new SignJWT({ ...instanceClaims, ...claims }).setProtectedHeader({ alg: 'RS256', kid }).setIssuedAt();
      if (expires !== null) jwt.setExpirationTime(expires);
      return jwt.sign(key);
    },
    async rotate() {
      const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
      const kid = randomUUID();
      signing = { kid, key: privateKey };
      keys.publicJwk = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' };
    },
    close: () => close(server),
  };
  await keys.rotate();
  return keys;
}

async function listen(server: Server): Promise<string> {
  const port = await listenLocally(server);
  return `http://127.0.0.1:${port}`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
