import { once } from 'node:events';
import { CloseCode } from 'graphql-ws';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { cancelJob } from '../../core/jobs/cancel.ts';
import { retryJob } from '../../core/jobs/retry.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { heartbeat } from '../../core/leases/renew.ts';
import { startTestApp } from '../support/app.ts';
import { claimed, mutate, mutation, registered, submitted, type Answer } from '../support/graphql.ts';
import { hear } from '../support/hear.ts';
import { claim, endings, runOut, submit } from '../support/jobs.ts';
import { until } from '../support/until.ts';

const app = await startTestApp({ news: { everyMs: 1 } });
afterAll(() => app.close());

type Data = Record<string, Record<string, unknown>>;

/** An agent that listens on a socket of its own. What made it look once, when it began to listen, is taken off. */
async function listening(key: string, machineId = 'machine', group = 'group') {
  const agentId = await registered(app, key, machineId, group);
  const client = app.socket(key);
  const signals = hear(client, `subscription { agentSignals(agentId: "${agentId}") { type jobId attempt } }`);
  await until('the first signal', () => signals.heard.length > 0);
  expect(signals.heard.splice(0)).toEqual([{ type: 'WORK_AVAILABLE', jobId: null, attempt: null }]);
  // It asks, as agents do, and finds nothing: from then on it waits.
  await mutate(app, key, 'claimJob', { agentId });
  return {
    agentId,
    client,
    signals,
    hears: async () => {
      await until('a signal', () => signals.heard.length > 0);
      return signals.heard.splice(0);
    },
    ask: () => mutate(app, key, 'claimJob', { agentId }),
  };
}

/** A socket without graphql-ws's client, for what that client would not do. */
function open(params: unknown): WebSocket {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.once('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: params })));
  return socket;
}

const workAvailable = { type: 'WORK_AVAILABLE', jobId: null, attempt: null };

describe('jobUpdated', () => {
  test('tells the present state first, then the changes up to the last', async () => {
    const { secret: key, viewer } = await app.account();
    const id = await submitted(app, key);
    const job = hear(
      app.socket(key),
      `subscription { jobUpdated(id: "${id}") {
        status numFailures progress { fraction } attempt { number phase outcome } } }`,
    );
    await until('the present state', () => job.heard.length > 0);
    expect(job.heard[0]).toEqual({ status: 'PENDING', numFailures: 0, progress: null, attempt: null });
    const { lease } = await claim(app.core, viewer);
    await until('the claim', () => job.heard.at(-1)?.status === 'RUNNING');
    await heartbeat(app.core, viewer, lease, {
      phase: 'UPLOADING',
      progress: { fraction: 1, message: null, metrics: null },
    });
    await until('the progress', () => job.heard.at(-1)?.progress !== null);
    expect(job.heard.at(-1)).toMatchObject({ progress: { fraction: 1 }, attempt: { number: 1, phase: 'UPLOADING' } });
    await finishAttempt(app.core, viewer, lease, endings.completed);
    await until('the end', () => job.heard.at(-1)?.status === 'COMPLETED');
    expect(job.heard.at(-1)?.attempt).toEqual({ number: 1, phase: null, outcome: 'COMPLETED' });
    expect(job.errors).toEqual([]);
    job.leave();
  });

  test('many who watch one job all see its end', async () => {
    const { secret: key, viewer } = await app.account();
    const id = await submitted(app, key);
    const watchers = Array.from({ length: 20 }, (_, index) =>
      hear(app.socket(key), `subscription Watch${index} { jobUpdated(id: "${id}") { status } }`),
    );
    await until('all to watch', () => watchers.every(({ heard }) => heard.length > 0));
    await cancelJob(app.core, viewer, id);
    await until('all to see the end', () => watchers.every(({ heard }) => heard.at(-1)?.status === 'CANCELED'));
    watchers.forEach(({ leave }) => leave());
  });

  test('a reader that does not read is sent no backlog, and sees the last state when it reads again', async () => {
    const { secret: key, viewer } = await app.account();
    // Some 250 kB a state: more than a few of them do not fit the buffers between two processes.
    const environment = Object.fromEntries(Array.from({ length: 7 }, (_, n) => [`V${n}`, 'x'.repeat(36_000)]));
    const id = await submitted(app, key, { environment });
    const socket = open({ 'X-Kelpie-Key': key });
    const statuses: string[] = [];
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; payload?: { data: { jobUpdated: Answer } } };
      const query = `subscription { jobUpdated(id: "${id}") { status environment } }`;
      if (message.type === 'connection_ack') {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
      }
      if (message.type === 'next') statuses.push(String(message.payload?.data.jobUpdated.status));
    });
    await until('the present state', () => statuses.length > 0);
    socket.pause();
    const { lease } = await claim(app.core, viewer);
    let told = 0;
    const leave = app.core.feed.listen((event) => (told += event.jobId === id ? 1 : 0));
    for (let beat = 0; beat < 120; beat++) {
      await heartbeat(app.core, viewer, lease, { phase: beat % 2 === 0 ? 'DOWNLOADING' : 'RUNNING' });
      // One at a time, or the server would not even see them apart.
      await until('the event to be handed out', () => told > beat);
    }
    await finishAttempt(app.core, viewer, lease, endings.completed);
    socket.resume();
    await until('the last state', () => statuses.at(-1) === 'COMPLETED');
    expect(statuses.length).toBeLessThan(80);
    leave();
    socket.terminate();
  });

  test('another account’s job is an error with a code, and ends the operation alone', async () => {
    const [mine, theirs] = [await app.account(), await app.account()];
    const id = await submitted(app, mine.secret);
    const client = app.socket(theirs.secret);
    const refused = hear(client, `subscription { jobUpdated(id: "${id}") { status } }`);
    await until('the refusal', () => refused.ended());
    expect(refused.heard).toEqual([]);
    expect(refused.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
    const answer = await client.iterate<Data>({ query: '{ viewer { role } }' }).next();
    expect((answer.value as { data: Data }).data).toEqual({ viewer: { role: 'OWNER' } });
  });
});

describe('agentSignals', () => {
  test('WORK_AVAILABLE on a submission, a retry, and a release', async () => {
    const { secret: key, viewer } = await app.account();
    const agent = await listening(key);
    expect((await agent.ask()).__typename).toBe('NoWork');
    const id = await submitted(app, key);
    expect(await agent.hears()).toEqual([workAvailable]);
    await cancelJob(app.core, viewer, id);
    expect((await agent.ask()).__typename).toBe('NoWork');
    await retryJob(app.core, viewer, id);
    expect(await agent.hears()).toEqual([workAvailable]);
    const { lease } = await claim(app.core, viewer, 'another');
    expect((await agent.ask()).__typename).toBe('NoWork');
    await finishAttempt(app.core, viewer, lease, endings.released);
    expect(await agent.hears()).toEqual([workAvailable]);
    expect((await agent.ask()).__typename).toBe('Claim');
  });

  test('WORK_AVAILABLE for a second agent when the command failed on the first', async () => {
    const { secret: key } = await app.account();
    const [first, second] = [await listening(key, 'one'), await listening(key, 'two')];
    await submitted(app, key);
    await first.hears();
    const lease = await claimed(app, key, first.agentId);
    await second.hears();
    expect((await second.ask()).__typename).toBe('NoWork');
    await mutate(app, key, 'failAttempt', { ...lease, outcome: 'FAILED', reason: 'exit code 1', exitCode: 1 });
    expect(await second.hears()).toEqual([workAvailable]);
    expect(await claimed(app, key, second.agentId)).toEqual({ ...lease, attempt: 2 });
  });

  test('WORK_AVAILABLE when the server has found an expired lease', async () => {
    const { secret: key, viewer } = await app.account();
    const agent = await listening(key);
    await submit(app.core, viewer);
    await agent.hears();
    const { id } = await claim(app.core, viewer, 'lost');
    expect((await agent.ask()).__typename).toBe('NoWork');
    await runOut(app.database, id);
    expect(await agent.hears()).toEqual([workAvailable]);
  });

  test('CANCEL for the agent that holds the job', async () => {
    const { secret: key } = await app.account();
    const agent = await listening(key);
    const id = await submitted(app, key);
    await agent.hears();
    const { attempt } = await claimed(app, key, agent.agentId);
    await mutate(app, key, 'cancelJob', id);
    expect(await agent.hears()).toEqual([{ type: 'CANCEL', jobId: id, attempt }]);
  });

  test('no job is left lying while agents that claim only when signalled are free', async () => {
    const { secret: key, viewer } = await app.account();
    const done = new Set<string>();
    const agents = await Promise.all(['one', 'two', 'three'].map((machine) => listening(key, machine)));
    const working = agents.map(async ({ agentId, signals }) => {
      while (done.size < 60) {
        const answer = await mutate(app, key, 'claimJob', { agentId });
        if (answer.__typename === 'NoWork') {
          await until('a signal', () => signals.heard.length > 0 || done.size >= 60);
          signals.heard.length = 0;
          continue;
        }
        const { job, attempt } = answer as unknown as { job: { id: string }; attempt: { number: number } };
        await finishAttempt(app.core, viewer, { jobId: job.id, attempt: attempt.number }, endings.completed);
        done.add(job.id);
      }
    });
    for (let index = 0; index < 60; index++) await submit(app.core, viewer);
    await Promise.all(working);
    expect(done.size).toBe(60);
  });

  test('an agent that leaves is forgotten: its subscription ends with its socket', async () => {
    const { secret: key } = await app.account();
    const agent = await listening(key);
    expect(app.core.signals.connected()).toContain(agent.agentId);
    agent.client.terminate();
    await until('the agent to be forgotten', () => !app.core.signals.connected().includes(agent.agentId));
    const again = await listening(key);
    again.signals.leave();
    await until('the other one as well', () => !app.core.signals.connected().includes(again.agentId));
  });

  test('of an agent that is unknown, or by a key that may not work, is refused', async () => {
    const [mine, theirs] = [await app.account(), await app.account('VIEWER')];
    const agentId = await registered(app, mine.secret);
    const query = `subscription { agentSignals(agentId: "${agentId}") { type } }`;
    const byViewer = hear(app.socket(theirs.secret), query);
    await until('the refusal', () => byViewer.ended());
    expect(byViewer.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    const stranger = hear(app.socket((await app.account()).secret), query);
    await until('the refusal', () => stranger.ended());
    expect(stranger.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
  });
});

describe('a socket', () => {
  test.each([
    ['a wrong key', { 'X-Kelpie-Key': 'unknown' }],
    ['a key that is no text', { 'X-Kelpie-Key': 5 }],
  ])('with %s is closed with 4403', async (_name, params) => {
    const [code, reason] = (await once(open(params), 'close')) as [number, Buffer];
    expect(code).toBe(4403);
    expect(reason.toString()).toMatch(/key/i);
  });

  test('of a revoked key is closed with 4403', async () => {
    const { secret, viewer } = await app.account();
    await app.database.query('update api_keys set revoked_at = now() where id = $1', [viewer.keyId]);
    const [code] = (await once(open({ 'X-Kelpie-Key': secret }), 'close')) as [number];
    expect(code).toBe(4403);
  });

  test('runs queries and mutations as well', async () => {
    const { secret: key } = await app.account();
    const variables = { input: { command: 'true', containerGroupId: 'socket' } };
    const step = await app
      .socket(key)
      .iterate<Data>({ query: mutation('submitJob'), variables })
      .next();
    expect((step.value as { data: Data }).data).toMatchObject({ submitJob: { __typename: 'Job', status: 'PENDING' } });
  });

  test.each([
    ['a syntax error', '{ viewer {', 'Syntax Error'],
    ['an unknown field', '{ nonsense }', 'nonsense'],
    ['an argument of the wrong type', '{ job(id: {}) { id } }', 'ID'],
  ])('outlives %s, which is told to its operation alone', async (_name, query, message) => {
    const { secret: key } = await app.account();
    const client = app.socket(key);
    const bad = hear(client, query);
    await until('the refusal', () => bad.ended());
    expect(JSON.stringify(bad.errors)).toContain(message);
    const answer = await client.iterate<Data>({ query: '{ viewer { role } }' }).next();
    expect((answer.value as { data: Data }).data).toEqual({ viewer: { role: 'OWNER' } });
  });

  test('masks what is unexpected', async () => {
    const { secret: key } = await app.account();
    await app.database.query('alter table bans rename to bans_elsewhere');
    try {
      const agentId = await registered(app, key);
      const query = `mutation { claimJob(input: {agentId: "${agentId}"}) { __typename } }`;
      const step = await app.socket(key).iterate({ query }).next();
      expect(step.value).toMatchObject({ errors: [{ message: 'Unexpected error.' }] });
      expect(JSON.stringify(step.value)).not.toContain('bans');
    } finally {
      await app.database.query('alter table bans_elsewhere rename to bans');
    }
  });

  test('anywhere but at /graphql is not opened', async () => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/elsewhere`, 'graphql-transport-ws');
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('404');
  });

  test('that speaks before it has said who it is, is closed', async () => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    socket.once('open', () =>
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ viewer { role } }' } })),
    );
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(CloseCode.Unauthorized);
  });
});

test('a server that stops closes its sockets and lets go of its agents', async () => {
  const other = await startTestApp();
  const { secret: key } = await other.account();
  const agentId = await registered(other, key);
  const client = other.socket(key);
  const closed = new Promise<unknown>((resolve) => client.on('closed', resolve));
  const signals = hear(client, `subscription { agentSignals(agentId: "${agentId}") { type } }`);
  await until('the subscription', () => signals.heard.length > 0);
  await other.app.stop();
  expect(await closed).toMatchObject({ code: 1012 });
  await until('no agent to be left', () => other.core.signals.connected().length === 0);
  await other.close().catch(() => undefined);
});

test('a server that stops shortens no lease, a socket that breaks does', async () => {
  const other = await startTestApp();
  const { secret: key, viewer } = await other.account();
  const leases = () =>
    other.database.query<{ left: number }>(
      `select extract(epoch from lease_expires_at - clock_timestamp())::float8 as left from attempts order by started_at`,
    );
  const agents = await Promise.all(
    ['breaks', 'stays'].map(async (machine) => {
      await submit(other.core, viewer);
      const agentId = await registered(other, key, machine);
      await claimed(other, key, agentId);
      const client = other.socket(key);
      const signals = hear(client, `subscription { agentSignals(agentId: "${agentId}") { type } }`);
      await until('the subscription', () => signals.heard.length > 0);
      return client;
    }),
  );
  agents[0]!.terminate();
  await until('one lease to be shortened', async () => (await leases()).filter(({ left }) => left < 6).length === 1);
  await other.app.stop();
  expect((await leases()).filter(({ left }) => left > 50)).toHaveLength(1);
  await other.close().catch(() => undefined);
});
