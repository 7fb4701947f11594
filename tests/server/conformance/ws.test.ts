import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { createApp } from '../../../server/app.ts';
import { createLog } from '../../../server/log.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { registered, submitted } from '../../support/graphql.ts';
import { until } from '../../support/until.ts';

const app = await startTestApp();
afterAll(() => app.close());
const { secret: key, viewer } = await app.account();

type Message = Record<string, unknown> & { type: string };

/** A socket without any client's manners: it says what it is told, and keeps what it hears. */
class Raw {
  readonly socket: WebSocket;
  readonly heard: Message[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(of: TestApp = app, protocols: string[] = ['graphql-transport-ws']) {
    this.socket = new WebSocket(`${of.url.replace('http', 'ws')}/graphql`, protocols);
    this.socket.on('message', (data: Buffer) => this.heard.push(JSON.parse(data.toString()) as Message));
    this.closed = once(this.socket, 'close').then(([code, reason]) => ({
      code: code as number,
      reason: String(reason),
    }));
  }

  static async open(of: TestApp = app): Promise<Raw> {
    const raw = new Raw(of);
    await once(raw.socket, 'open');
    return raw;
  }

  /** Let in by this key. */
  static async acknowledged(params: unknown = { 'X-Kelpie-Key': key }, of: TestApp = app): Promise<Raw> {
    const raw = await Raw.open(of);
    raw.say({ type: 'connection_init', payload: params });
    await raw.hears('connection_ack');
    return raw;
  }

  say(...messages: unknown[]): void {
    for (const message of messages) this.socket.send(JSON.stringify(message));
  }

  /** The first message of a type, and of an operation, that comes or has come. */
  async hears(type: string, id?: string): Promise<Message> {
    return until(`"${type}" of ${id ?? 'the socket'}`, () =>
      this.heard.find((message) => message.type === type && (id === undefined || message.id === id)),
    );
  }
}

const subscribe = (id: string, query = '{ viewer { role } }', extensions?: unknown) => ({
  id,
  type: 'subscribe',
  payload: { query, ...(extensions !== undefined && { extensions }) },
});
const follow = (id: string, jobId: string) => subscribe(id, `subscription { jobUpdated(id: "${jobId}") { status } }`);
const role = { data: { viewer: { role: 'OWNER' } } };

describe('a socket is closed', () => {
  test.each([
    ['text that is no JSON', '{ "type": '],
    ['JSON that is no message', '[1, 2]'],
    ['a message without a type', '{}'],
    ['a message of a type that is none', '{"type": "start"}'],
    ['a message that only servers send', '{"id": "1", "type": "next", "payload": {"data": {}}}'],
    ['a subscribe without an id', '{"type": "subscribe", "payload": {"query": "{ a }"}}'],
    ['a subscribe with an empty id', '{"id": "", "type": "subscribe", "payload": {"query": "{ a }"}}'],
    ['a subscribe without a payload', '{"id": "1", "type": "subscribe"}'],
    ['a subscribe without a query', '{"id": "1", "type": "subscribe", "payload": {}}'],
    ['variables that are a text', '{"id": "1", "type": "subscribe", "payload": {"query": "{ a }", "variables": "a"}}'],
    ['a complete without an id', '{"type": "complete"}'],
    ['a binary message', Buffer.from('{"type": "ping"}')],
  ])('with 4400 after %s', async (_name, message) => {
    const raw = await Raw.acknowledged();
    raw.socket.send(message);
    expect((await raw.closed).code).toBe(4400);
  });

  test('with 4401 by a subscribe before connection_init, and by one that does not wait for the answer', async () => {
    const [early, hasty] = [await Raw.open(), await Raw.open()];
    early.say(subscribe('1'));
    hasty.say({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } }, subscribe('1'));
    expect((await early.closed).code).toBe(4401);
    expect((await hasty.closed).code).toBe(4401);
  });

  test('with 4403 by a key that is unknown', async () => {
    const raw = await Raw.open();
    raw.say({ type: 'connection_init', payload: { 'X-Kelpie-Key': 'unknown' } });
    const { code, reason } = await raw.closed;
    expect([code, reason]).toEqual([4403, expect.stringContaining('X-Kelpie-Key')]);
    expect(raw.heard).toEqual([]);
  });

  test('with 4406 when it does not speak graphql-transport-ws', async () => {
    expect((await new Raw(app, []).closed).code).toBe(4406);
  });

  test('with 4409 by a second operation of an id that is in use', async () => {
    const id = await submitted(app, key);
    const raw = await Raw.acknowledged();
    raw.say(follow('twice', id));
    await raw.hears('next', 'twice');
    raw.say(follow('twice', id));
    const { code, reason } = await raw.closed;
    expect([code, reason]).toEqual([4409, expect.stringContaining('twice')]);
  });

  test('with 4429 by a second connection_init', async () => {
    const raw = await Raw.acknowledged();
    raw.say({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } });
    expect((await raw.closed).code).toBe(4429);
  });

  test('with 4500 by an error of the server, of whose inside nothing is told', async () => {
    const raw = await Raw.open();
    await app.database.query('alter table api_keys rename to api_keys_elsewhere');
    try {
      raw.say({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } });
      const { code, reason } = await raw.closed;
      expect(code).toBe(4500);
      expect(reason).not.toContain('api_keys');
    } finally {
      await app.database.query('alter table api_keys_elsewhere rename to api_keys');
    }
  });

  test('with 1009 by a message of more than 2 MiB, and why', async () => {
    const raw = await Raw.acknowledged();
    raw.socket.on('error', () => undefined);
    raw.socket.send(Buffer.alloc(2 * 1024 * 1024 + 1, 'x').toString());
    const { code, reason } = await raw.closed;
    expect([code, reason]).toEqual([
      1009,
      expect.stringMatching(/at most 2097152 bytes .*HTTP.*KELPIE_MAX_MESSAGE_BYTES/),
    ]);
  });

  test('with 1012 when the server stops', async () => {
    const other = await startTestApp();
    const raw = await Raw.acknowledged({ 'X-Kelpie-Key': (await other.account()).secret }, other);
    await other.close();
    expect((await raw.closed).code).toBe(1012);
  });
});

describe('a socket that no credentials opened', () => {
  const headers = (name: string, value: unknown) => ({ headers: { [name]: value } });

  test.each([
    [{ type: 'connection_init' }],
    [{ type: 'connection_init', payload: {} }],
    [{ type: 'connection_init', payload: { theme: 'dark' } }],
  ])('is let in, and does what its operations may: %j', async (init) => {
    const raw = await Raw.open();
    raw.say(init);
    await raw.hears('connection_ack');
    const other = await app.account('VIEWER');
    raw.say(
      subscribe('mine', undefined, headers('X-Kelpie-Key', key)),
      subscribe('theirs', undefined, headers('x-kelpie-key', other.secret)),
    );
    expect((await raw.hears('next', 'mine')).payload).toEqual(role);
    expect((await raw.hears('next', 'theirs')).payload).toEqual({ data: { viewer: { role: 'VIEWER' } } });
    raw.socket.close();
  });

  test.each([
    ['no key', undefined, 'UNAUTHENTICATED'],
    ['an empty key', headers('X-Kelpie-Key', ''), 'UNAUTHENTICATED'],
    ['a key that is no text', headers('X-Kelpie-Key', 5), 'UNAUTHENTICATED'],
    ['headers that are none', { headers: 'X-Kelpie-Key' }, 'UNAUTHENTICATED'],
    ['an unknown key', headers('X-Kelpie-Key', 'unknown'), 'FORBIDDEN'],
  ])('answers an operation with %s with an error, to a subscription as well', async (_name, extensions, code) => {
    const raw = await Raw.acknowledged({});
    const id = await submitted(app, key);
    raw.say(
      subscribe('nonsense', '{ nonsense }', extensions),
      subscribe('job', `subscription { jobUpdated(id: "${id}") { status } }`, extensions),
    );
    for (const operation of ['nonsense', 'job']) {
      const { payload } = await raw.hears('error', operation);
      expect(payload).toMatchObject([{ extensions: { code } }]);
    }
    expect(raw.heard.filter(({ type }) => type === 'next')).toEqual([]);
    raw.socket.close();
  });

  test('lends an operation’s key to no other', async () => {
    const raw = await Raw.acknowledged({});
    raw.say(subscribe('with', undefined, headers('X-Kelpie-Key', key)));
    await raw.hears('next', 'with');
    raw.say(subscribe('without'));
    expect((await raw.hears('error', 'without')).payload).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    raw.socket.close();
  });

  test('but one with credentials takes none of an operation’s', async () => {
    const raw = await Raw.acknowledged();
    const other = await app.account();
    raw.say(subscribe('1', undefined, headers('X-Kelpie-Key', other.secret)));
    expect((await raw.hears('error', '1')).payload).toMatchObject([{ extensions: { code: 'INVALID_INPUT' } }]);
    raw.socket.close();
  });
});

describe('on a socket', () => {
  test('a ping is answered with its payload, before connection_init as well, and a pong needs no answer', async () => {
    const raw = await Raw.open();
    raw.say({ type: 'pong', payload: { n: 1 } }, { type: 'ping' }, { type: 'ping', payload: { n: 2 } });
    await until('two answers', () => raw.heard.length === 2);
    expect(raw.heard).toEqual([{ type: 'pong' }, { type: 'pong', payload: { n: 2 } }]);
    raw.socket.close();
  });

  test('an answer is one next and one complete', async () => {
    const raw = await Raw.acknowledged();
    raw.say(subscribe('1'));
    await raw.hears('complete', '1');
    expect(raw.heard.slice(1)).toEqual([
      { id: '1', type: 'next', payload: role },
      { id: '1', type: 'complete' },
    ]);
    raw.socket.close();
  });

  test.each([
    ['a syntax error', 'subscription {', { message: expect.stringContaining('Syntax Error') as string }],
    ['an unknown field', 'subscription { nonsense }', { message: expect.stringContaining('nonsense') as string }],
    [
      'a job that is not there',
      'subscription { jobUpdated(id: "nothing") { status } }',
      { extensions: { code: 'NOT_FOUND' } },
    ],
    ['no such operation', 'fragment A on Job { id }', {}],
  ])('%s of a subscription is its error, a list, and its end', async (_name, query, fault) => {
    const raw = await Raw.acknowledged();
    raw.say(subscribe('bad', query), subscribe('good'));
    await raw.hears('complete', 'good');
    const told = await until('the end', () => raw.heard.find(({ id, type }) => id === 'bad' && type !== 'complete'));
    const errors = told.type === 'error' ? told.payload : (told.payload as { errors: unknown }).errors;
    expect(errors).toMatchObject([fault]);
    if (told.type === 'error') expect(raw.heard.filter(({ id }) => id === 'bad')).toHaveLength(1);
    raw.socket.close();
  });

  test('complete ends a subscription without an answer; of an unknown or ended one it is nothing', async () => {
    const id = await submitted(app, key);
    const raw = await Raw.acknowledged();
    raw.say({ id: 'unknown', type: 'complete' }, follow('1', id));
    await raw.hears('next', '1');
    raw.say({ id: '1', type: 'complete' }, { id: '1', type: 'complete' }, follow('witness', id));
    // Its answer says that all of these were read. Until then the first state may be told twice: the submission itself is news, too.
    await raw.hears('next', 'witness');
    const told = raw.heard.filter((message) => message.id === '1');
    expect(told.map(({ type }) => type)).not.toContain('complete');
    await cancelJob(app.core, viewer, id);
    const isTold = ({ id: of, payload }: Message) => of === 'witness' && JSON.stringify(payload).includes('CANCELED');
    await until('the change', () => raw.heard.some(isTold));
    expect(raw.heard.filter((message) => message.id === '1')).toEqual(told);
    raw.socket.close();
  });

  test('complete in the same breath as its subscribe leaves nothing behind', async () => {
    const id = await submitted(app, key);
    const raw = await Raw.acknowledged();
    raw.say(follow('1', id), { id: '1', type: 'complete' }, subscribe('2'));
    await raw.hears('complete', '2');
    await cancelJob(app.core, viewer, id);
    raw.say(subscribe('3'));
    await raw.hears('complete', '3');
    expect(raw.heard.filter((message) => message.id === '1')).toEqual([]);
    raw.socket.close();
  });

  test('an id can be used again at once, and a late end of the first is not the second’s', async () => {
    const [first, second] = [await submitted(app, key), await submitted(app, key)];
    const raw = await Raw.acknowledged();
    raw.say(follow('1', first));
    await raw.hears('next', '1');
    raw.heard.length = 0;
    raw.say({ id: '1', type: 'complete' }, follow('1', second));
    await raw.hears('next', '1');
    await cancelJob(app.core, viewer, second);
    const isTold = ({ payload }: Message, status: string) => JSON.stringify(payload).includes(status);
    await until('the change of the second', () => raw.heard.some((message) => isTold(message, 'CANCELED')));
    raw.heard.length = 0;
    raw.say({ id: '1', type: 'complete' }, follow('1', first), { id: '1', type: 'complete' }, follow('1', first));
    await until('the first again', () => raw.heard.some((message) => isTold(message, 'PENDING')));
    await cancelJob(app.core, viewer, first);
    await until('its change', () => raw.heard.some((message) => isTold(message, 'CANCELED')));
    expect(raw.heard.filter(({ type }) => type !== 'next')).toEqual([]);
    raw.socket.close();
  });

  test('whoever asks and asks and does not read is listened to no more', async () => {
    const raw = await Raw.acknowledged();
    raw.socket.pause();
    // Each is sent back whole: 64 MiB in all, far more than fits between two processes.
    const ping = JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(64 * 1024) } });
    for (let n = 0; n < 1_024; n++) raw.socket.send(ping);
    await until('what is sent to stay behind', () => raw.socket.bufferedAmount > 16 * 1024 * 1024);
    raw.socket.terminate();
  });
});

describe.concurrent('a socket that keeps silent', () => {
  const inHeaders = (secret: string) => ({ headers: { 'X-Kelpie-Key': secret } });

  test('is closed with 4408 when no connection_init comes within three seconds', async () => {
    const raw = await Raw.open();
    const opened = performance.now();
    raw.say({ type: 'ping' });
    expect((await raw.closed).code).toBe(4408);
    expect(performance.now() - opened).toBeGreaterThan(2_500);
  });

  test('is closed with 4403 after five seconds without a good key', async () => {
    const [silent, wrong, known] = await Promise.all([1, 2, 3].map(() => Raw.acknowledged({})));
    wrong!.say(subscribe('1', undefined, inHeaders('unknown')));
    known!.say(subscribe('1', undefined, inHeaders(key)));
    expect((await silent!.closed).code).toBe(4403);
    expect((await wrong!.closed).code).toBe(4403);
    expect(known!.socket.readyState).toBe(WebSocket.OPEN);
    known!.socket.close();
  });

  test('is pinged, and hung up on when it does not answer', async () => {
    const impatient = createApp({ core: app.core, log: createLog('silent'), pings: { othersMs: 400 } });
    const of = { ...app, url: await impatient.start({ host: '127.0.0.1', port: 0 }) };
    const [answering, silent] = [
      await Raw.acknowledged({ 'X-Kelpie-Key': key }, of),
      await Raw.acknowledged({ 'X-Kelpie-Key': key }, of),
    ];
    const id = await submitted(app, key);
    silent.say(follow('1', id));
    await silent.hears('next', '1');
    silent.socket.pause();
    await once(answering.socket, 'ping');
    await once(answering.socket, 'ping');
    await once(answering.socket, 'ping');
    silent.socket.resume();
    expect((await silent.closed).code).toBe(1006);
    expect(answering.socket.readyState).toBe(WebSocket.OPEN);
    answering.socket.close();
    await impatient.stop();
  });

  test('is pinged every two seconds where an agent follows its signals, and else every ten', async () => {
    const [agents, others] = [await Raw.acknowledged(), await Raw.acknowledged()];
    let pings = 0;
    others.socket.on('ping', () => (pings += 1));
    const agentId = await registered(app, key);
    agents.say(subscribe('1', `subscription { agentSignals(agentId: "${agentId}") { type } }`));
    for (let count = 0; count < 3; count++) await once(agents.socket, 'ping');
    expect(pings).toBeLessThanOrEqual(1);
    agents.socket.close();
    others.socket.close();
  });
});

test.concurrent('who pings by itself is not asked', async () => {
  const impatient = createApp({ core: app.core, log: createLog('silent'), pings: { othersMs: 800 } });
  const of = { ...app, url: await impatient.start({ host: '127.0.0.1', port: 0 }) };
  const [talking, silent] = [
    await Raw.acknowledged({ 'X-Kelpie-Key': key }, of),
    await Raw.acknowledged({ 'X-Kelpie-Key': key }, of),
  ];
  let asked = 0;
  talking.socket.on('ping', () => (asked += 1));
  const talk = setInterval(() => talking.say({ type: 'ping' }), 100);
  for (let count = 0; count < 2; count++) await once(silent.socket, 'ping');
  clearInterval(talk);
  expect(asked).toBe(0);
  talking.socket.close();
  silent.socket.close();
  await impatient.stop();
});

test('a subscription ends when its socket breaks', async () => {
  const id = await submitted(app, key);
  const raw = await Raw.acknowledged();
  raw.say(follow('1', id));
  await raw.hears('next', '1');
  expect(app.core.watchers.watched()).toContain(id);
  raw.socket.terminate();
  await until('nobody to watch', () => !app.core.watchers.watched().includes(id));
});
