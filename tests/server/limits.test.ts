import { request } from 'node:http';
import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { startTestApp } from '../support/app.ts';
import { ask, refusal, submitted } from '../support/graphql.ts';
import { openRaw, type RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';

const app = await startTestApp({
  limits: {
    KELPIE_MAX_BODY_BYTES: 100_000,
    KELPIE_MAX_QUERY_CHARACTERS: 50_000,
    KELPIE_MAX_STREAMS_PER_KEY: 2,
    KELPIE_MAX_SOCKETS_PER_KEY: 2,
    KELPIE_MAX_SUBSCRIPTIONS_PER_SOCKET: 3,
    KELPIE_MAX_OPERATIONS_PER_SOCKET: 5,
  },
});
afterAll(() => app.close());
const { secret: key } = await app.account();

const fields = (count: number) => Array.from({ length: count }, (_, n) => `a${n}: viewer { role }`).join(' ');
const roles = (count: number) => Array.from({ length: count }, (_, n) => `r${n}: role`).join(' ');
const nested = (levels: number) => `{ viewer ${'{ a '.repeat(levels - 1)}${'}'.repeat(levels - 1)} }`;
const listed = (levels: number): unknown => (levels === 0 ? 1 : [listed(levels - 1)]);

const breaches: [string, { query: string; variables?: Record<string, unknown> }, RegExp][] = [
  [
    'characters',
    { query: `{ viewer { role } } # ${'x'.repeat(50_000)}` },
    /at most 50000 characters .* got 50022 \(KELPIE_MAX_QUERY_CHARACTERS\)/,
  ],
  ['levels', { query: nested(13) }, /at most 12 levels .* got 13 \(KELPIE_MAX_QUERY_DEPTH\)/],
  ['root fields', { query: `{ ${fields(21)} }` }, /at most 20 fields .* got 21 \(KELPIE_MAX_ROOT_FIELDS\)/],
  [
    'root fields, by fragments',
    { query: `fragment F on Query { a: viewer { role } b: viewer { role } } { ${'...F '.repeat(11)} }` },
    /got 22 \(KELPIE_MAX_ROOT_FIELDS\)/,
  ],
  [
    'aliases',
    { query: `{ viewer { ${roles(51)} } }` },
    /at most 50 fields under another name .* got 51 \(KELPIE_MAX_ALIASES\)/,
  ],
  [
    'aliases, by fragments',
    { query: `fragment F on Viewer { a: role b: role } { ${'viewer { ...F } '.repeat(26)} }` },
    /KELPIE_MAX_ALIASES/,
  ],
  ['tokens', { query: `{ ${'viewer { role } '.repeat(1_300)} }` }, /at most 5000 tokens .*KELPIE_MAX_TOKENS/],
  [
    'nodes',
    { query: '{ jobs(first: 1000) { nodes { attempts(first: 100) { nodes { number } } } } }' },
    /at most 100000 elements .* got 101000 \(KELPIE_MAX_NODES\)/,
  ],
  [
    'nodes, by variables',
    {
      query:
        'query ($n: Int = 1, $m: Int) { jobs(first: $n) { edges { node { events(last: $m) { nodes { seq } } } } } }',
      variables: { n: 1_000, m: 1_000_000_000 },
    },
    /got 1001000 \(KELPIE_MAX_NODES\)/,
  ],
  [
    'levels of variables',
    {
      query: 'query ($l: JSONObject) { jobs(filter: {labels: $l}) { totalCount } }',
      variables: { l: { a: listed(31) } },
    },
    /at most 32 levels .*KELPIE_MAX_VARIABLES_DEPTH/,
  ],
];

describe('an operation that asks for too much is refused, with the bound and its value', () => {
  test.each(breaches)('over HTTP: %s', async (_name, { query, variables }, message) => {
    const { message: told, extensions } = await refusal(app, key, query, variables);
    expect(told).toMatch(message);
    expect(extensions).toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('over a socket, which goes on', async () => {
    const raw = await connected();
    for (const [index, [, payload, message]] of breaches.entries()) {
      raw.send({ id: `${index}`, type: 'subscribe', payload });
      const fault = await answer(raw, `${index}`);
      expect(JSON.stringify(fault.payload)).toMatch(message);
    }
    raw.send({ id: 'good', type: 'subscribe', payload: { query: '{ viewer { role } }' } });
    expect((await answer(raw, 'good')).payload).toEqual({ data: { viewer: { role: 'OWNER' } } });
    await gone(raw);
  });

  test('over server-sent events', async () => {
    const response = await sse(`subscription { jobEvents { ${nested(13).slice(1, -1)} } }`);
    expect(await response.text()).toContain('KELPIE_MAX_QUERY_DEPTH');
    const long = await sse(`subscription { jobEvents { __typename } } # ${'x'.repeat(50_000)}`);
    expect(await long.text()).toContain('KELPIE_MAX_QUERY_CHARACTERS');
  });

  test('up to the bounds, it is answered', async () => {
    expect(Object.keys(await ask(app, key, `{ viewer { ${'role '.repeat(60)} } }`))).toEqual(['role']);
    const { errors } = await app.graphql(key, `{ ${fields(19)} viewerToo: viewer { ${roles(30)} } }`);
    expect(errors).toBeUndefined();
    await ask(app, key, '{ jobs(first: 900) { nodes { attempts(first: 100) { nodes { number } } } } }');
    const variables = { l: {} };
    await ask(app, key, 'query ($l: JSONObject) { jobs(filter: {labels: $l}) { totalCount } }', variables);
  });

  test('a fragment that spreads itself is GraphQL’s to refuse', async () => {
    const query = '{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }';
    expect((await refusal(app, key, query)).message).toContain('Cannot spread fragment');
  });

  test('fragments that double each other take no longer than they are long', async () => {
    const chain = Array.from(
      { length: 300 },
      (_, n) => `fragment F${n} on Viewer { a: role ...F${n + 1} ...F${n + 1} }`,
    );
    const query = `{ viewer { ...F0 } } ${chain.join(' ')} fragment F300 on Viewer { role }`;
    expect((await refusal(app, key, query)).message).toContain('KELPIE_MAX_ALIASES');
  });

  test('introspection as tools do it is answered', async () => {
    const { getIntrospectionQuery } = await import('graphql');
    const { errors } = await app.graphql(key, getIntrospectionQuery());
    expect(errors).toBeUndefined();
  });
});

describe('a body', () => {
  const tooLong = JSON.stringify({ query: '{ viewer { role } }', extensions: { a: 'x'.repeat(100_001) } });

  test.each(['announced', 'in pieces'])('that is too long, %s, is refused with 413', async (how) => {
    const headers = { 'Content-Type': 'application/json', 'X-Kelpie-Key': key };
    const asked = request(`${app.url}/graphql`, {
      method: 'POST',
      headers: how === 'announced' ? { ...headers, 'Content-Length': tooLong.length } : headers,
      agent: false,
    });
    asked.on('error', () => undefined);
    asked.write(tooLong.slice(0, 90_000));
    asked.end(tooLong.slice(90_000));
    const [response] = (await once(asked, 'response')) as [AsyncIterable<Buffer> & { statusCode: number }];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    expect(response.statusCode).toBe(413);
    expect(Buffer.concat(chunks).toString()).toMatch(/at most 100000 bytes .*KELPIE_MAX_BODY_BYTES/);
  });

  test('that is too long is refused over REST, and of a worker’s report a shorter one', async () => {
    const body = JSON.stringify({ machine_id: 'x'.repeat(100_000), container_group_id: 'g' });
    for (const [path, bound] of [
      ['/jobs', /at most 100000 bytes \(KELPIE_MAX_BODY_BYTES\)/],
      ['/jobs/00000000-0000-4000-8000-000000000001/heartbeat', /at most 65536 bytes in a report/],
    ] as const) {
      const response = await fetch(`${app.url}${path}`, { method: 'POST', headers: { 'X-Kelpie-Key': key }, body });
      expect(response.status).toBe(413);
      expect(await response.text()).toMatch(bound);
    }
  });

  test('of several operations is refused', async () => {
    const response = await post(JSON.stringify([{ query: '{ viewer { role } }' }]));
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('Batching');
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    '',
  ])('of the type %j is not looked at', async (type) => {
    const response = await post(JSON.stringify({ query: '{ viewer { role } }' }), { 'Content-Type': type });
    expect(response.status).toBe(415);
    expect(await response.text()).toContain('application/json');
  });

  test('a mutation by GET is refused', async () => {
    const query = encodeURIComponent('mutation { cancelJob(id: "x") { __typename } }');
    const response = await fetch(`${app.url}/graphql?query=${query}`, { headers: { 'X-Kelpie-Key': key } });
    expect(response.status).toBe(405);
  });
});

describe('what stays open is counted', () => {
  test('sockets by key; one that goes makes room', async () => {
    const sockets = [await connected(), await connected()];
    const [code, reason] = await openRaw(app.url, { 'X-Kelpie-Key': key }).closed;
    expect([code, reason]).toEqual([1013, expect.stringContaining('KELPIE_MAX_SOCKETS_PER_KEY')]);
    const { secret } = await app.account();
    await gone(await connected(secret));
    await gone(sockets[0]!);
    await until('room', async () => {
      const raw = openRaw(app.url, { 'X-Kelpie-Key': key });
      await until('an answer', () => raw.heard.length > 0 || raw.socket.readyState === raw.socket.CLOSED);
      const isIn = raw.heard.length > 0;
      await gone(raw);
      return isIn;
    });
    await gone(sockets[1]!);
  });

  test('subscriptions on a socket; one that ends makes room', async () => {
    const { secret } = await app.account();
    const id = await submitted(app, secret);
    const raw = await connected(secret);
    const payload = { query: `subscription { jobUpdated(id: "${id}") { status } }` };
    for (const name of ['1', '2', '3']) {
      raw.send({ id: name, type: 'subscribe', payload });
      expect((await answer(raw, name)).type).toBe('next');
    }
    raw.send({ id: '4', type: 'subscribe', payload });
    const refused = await answer(raw, '4');
    expect(JSON.stringify(refused)).toMatch(/at most 3 subscriptions .*KELPIE_MAX_SUBSCRIPTIONS_PER_SOCKET/);
    raw.send({ id: '1', type: 'complete' });
    raw.send({ id: '5', type: 'subscribe', payload });
    expect((await answer(raw, '5')).type).toBe('next');
    await gone(raw);
  });

  test('operations at once on a socket', async () => {
    const { secret } = await app.account();
    const raw = await connected(secret);
    const names = Array.from({ length: 20 }, (_, n) => `${n}`);
    for (const id of names) raw.send({ id, type: 'subscribe', payload: { query: '{ jobs { totalCount } }' } });
    const answers = await Promise.all(names.map((name) => answer(raw, name)));
    expect(answers.filter(({ type }) => type === 'next').length).toBeGreaterThanOrEqual(5);
    expect(JSON.stringify(answers)).toMatch(/at most 5 operations at once .*KELPIE_MAX_OPERATIONS_PER_SOCKET/);
    await gone(raw);
  });

  test('streams over server-sent events by key; one that is left makes room', async () => {
    const { secret } = await app.account();
    const query = 'subscription { jobEvents { __typename } }';
    const streams = [await sse(query, secret), await sse(query, secret)];
    expect(streams.map(({ status }) => status)).toEqual([200, 200]);
    const refused = await sse(query, secret);
    expect(await refused.text()).toContain('KELPIE_MAX_STREAMS_PER_KEY');
    await streams[0]?.body?.cancel();
    await until('room', async () => {
      const again = await sse(query, secret);
      const isIn = again.status === 200;
      await again.body?.cancel();
      return isIn;
    });
    await streams[1]?.body?.cancel();
  });
});

async function connected(secret = key): Promise<RawSocket> {
  const raw = openRaw(app.url, { 'X-Kelpie-Key': secret });
  await until('the socket to be let in', () => raw.heard.some(({ type }) => type === 'connection_ack'));
  return raw;
}

async function gone(raw: RawSocket): Promise<void> {
  raw.socket.close();
  await raw.closed;
}

function answer({ heard }: RawSocket, name: string) {
  return until(`an answer to ${name}`, () => heard.find(({ id, type }) => id === name && type !== 'complete'));
}

function post(body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Kelpie-Key': key, ...headers },
    body,
  });
}

function sse(query: string, secret = key): Promise<Response> {
  return post(JSON.stringify({ query }), { Accept: 'text/event-stream', 'X-Kelpie-Key': secret });
}
