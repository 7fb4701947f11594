import { afterAll, describe, expect, test } from 'vitest';
import { openCore } from '../../core/open.ts';
import { createApp } from '../../server/app.ts';
import { createLog } from '../../server/log.ts';
import { startTestApp } from '../support/app.ts';
import { MASTER_KEY } from '../support/core.ts';
import { openEventSource } from '../support/event-source.ts';
import { claimed, registered, submitted } from '../support/graphql.ts';
import { openRaw } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';

const app = await startTestApp();
/** Another server on the same database. */
const otherCore = await openCore({ databaseUrl: app.database.url, masterKey: MASTER_KEY, onError: () => undefined });
const other = createApp({ core: otherCore, log: createLog('silent') });
const otherUrl = await other.start({ host: '127.0.0.1', port: 0 });
afterAll(async () => {
  await other.stop();
  await otherCore.close();
  await app.close();
});

/** So soon, whatever the server is doing. */
const WITHIN_MS = 5_000;

const revoke = (keyId: string) => app.database.query('update api_keys set revoked_at = now() where id = $1', [keyId]);
const expire = (keyId: string) => app.database.query('update api_keys set expires_at = now() where id = $1', [keyId]);
const remove = (keyId: string) =>
  app.database.query('delete from accounts where id = (select account_id from api_keys where id = $1)', [keyId]);

/** The text of a subscription over server-sent events, as far as it has come. */
function streaming(url: string, key: string, query: string) {
  const seen = { status: 0, text: '', ended: false };
  void (async () => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'X-Kelpie-Key': key },
      body: JSON.stringify({ query }),
    });
    seen.status = response.status;
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) seen.text += chunk;
  })()
    .catch(() => undefined)
    .finally(() => (seen.ended = true));
  return seen;
}

describe.concurrent.each([
  ['revoked', revoke],
  ['expired', expire],
  ['of an account that is removed', remove],
])('a key that is %s', (_name, end) => {
  test('loses its sockets, its streams and its waits within 5 s, on every server; other keys lose nothing', async () => {
    const [{ secret, viewer }, bystander] = [await app.account(), await app.account()];
    const id = await submitted(app, secret);
    const wait = fetch(`${app.url}/jobs/${id}`, { headers: { 'X-Kelpie-Key': secret, Prefer: 'wait=60' } });
    const query = 'subscription { jobEvents { __typename } }';
    const sockets = [app.url, otherUrl].map((url) => openRaw(url, { 'X-Kelpie-Key': secret }));
    const untouched = openRaw(otherUrl, { 'X-Kelpie-Key': bystander.secret });
    const streams = [app.url, otherUrl].map((url) => streaming(url, secret, query));
    const rest = await openEventSource(`${otherUrl}/events`, secret);
    const opened = () => [...sockets, untouched].every(({ heard }) => heard.length > 0);
    await until('all to be open', () => opened() && streams.every(({ status }) => status === 200));
    const start = performance.now();
    await end(viewer.keyId);
    for (const { closed } of sockets) expect(await closed).toEqual([4403, expect.stringContaining('API key')]);
    await until('the streams to end', () => streams.every(({ ended }) => ended) && rest.ended());
    expect((await wait).status).toBe(403);
    expect(performance.now() - start).toBeLessThan(WITHIN_MS);
    for (const { text } of streams) expect(text).toContain('FORBIDDEN');
    expect(untouched.socket.readyState).toBe(untouched.socket.OPEN);
    untouched.socket.terminate();
  });
});

describe.concurrent('an agent whose key is revoked', () => {
  test('can do nothing more, and its lease runs out', async () => {
    const owner = await app.account('OWNER', 'fleet');
    const agent = await app.account('AGENT', 'fleet');
    const jobId = await submitted(app, owner.secret);
    const agentId = await registered(app, agent.secret);
    const socket = openRaw(app.url, { 'X-Kelpie-Key': agent.secret });
    await until('the socket', () => socket.heard.some(({ type }) => type === 'connection_ack'));
    const query = `subscription { agentSignals(agentId: "${agentId}") { type } }`;
    socket.send({ id: '1', type: 'subscribe', payload: { query } });
    await until('the agent to be present', () => app.core.signals.connected().includes(agentId));
    const lease = await claimed(app, agent.secret, agentId);
    await revoke(agent.viewer.keyId);
    expect((await socket.closed)[0]).toBe(4403);
    const heartbeat = 'mutation ($input: HeartbeatInput!) { heartbeat(input: $input) { __typename } }';
    const { errors } = await app.graphql(agent.secret, heartbeat, { input: lease });
    expect(errors?.[0]?.extensions).toEqual({ code: 'FORBIDDEN' });
    await until('the job to be free', async () => {
      const { body } = await app.rest(owner.secret, 'GET', `/jobs/${jobId}`);
      return (body as { status: string }).status === 'pending';
    });
  });
});

describe.concurrent('what comes over a socket after its end', () => {
  test('is not done, whether or not the peer answers the close', async () => {
    const { secret, viewer } = await app.account();
    const raw = openRaw(app.url, { 'X-Kelpie-Key': secret });
    await until('the socket', () => raw.heard.length > 0);
    // It does not read, so it does not see the close, and goes on.
    raw.socket.pause();
    await revoke(viewer.keyId);
    const query = 'mutation { submitJob(input: {command: "late", containerGroupId: "g"}) { __typename } }';
    await until('nothing to be followed', () => app.core.keyWatch.runOnce().then(({ ended }) => ended === 0));
    raw.send({ id: '1', type: 'subscribe', payload: { query } });
    raw.socket.resume();
    expect((await raw.closed)[0]).toBe(4403);
    expect(await app.database.query(`select id from jobs where command = 'late'`)).toEqual([]);
  });
});

describe.concurrent('a job that is removed while it is watched', () => {
  test('ends the stream, and nothing else of the socket', async () => {
    const { secret } = await app.account();
    const id = await submitted(app, secret);
    const raw = openRaw(app.url, { 'X-Kelpie-Key': secret });
    await until('the socket', () => raw.heard.length > 0);
    raw.send({ id: '1', type: 'subscribe', payload: { query: `subscription { jobUpdated(id: "${id}") { status } }` } });
    await until('the present state', () => raw.heard.some(({ type }) => type === 'next'));
    // Its last event is what wakes who watches it.
    await app.database.query(
      `insert into job_events (job_id, seq, account_id, container_group_id, type, data)
       select id, event_seq + 1, account_id, container_group_id, 'PURGED', '{}' from jobs where id = $1`,
      [id],
    );
    await app.database.query('delete from jobs where id = $1', [id]);
    app.core.announce();
    await until('the end', () => raw.heard.some(({ type }) => type === 'complete'));
    raw.send({ id: '2', type: 'subscribe', payload: { query: '{ viewer { role } }' } });
    await until('an answer', () => raw.heard.some(({ id: of, type }) => of === '2' && type === 'next'));
    raw.socket.terminate();
  });
});
