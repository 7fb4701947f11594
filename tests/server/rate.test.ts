import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { RateLimitedError } from '../../core/errors.ts';
import { createRates, createSocketSigns } from '../../server/rate.ts';
import { CompleteAttemptDocument, HeartbeatDocument, RegisterAgentDocument } from '../../agent/generated/graphql.ts';
import { keyCredentials } from '../../agent/credentials.ts';
import { createHttpTransport } from '../../agent/http.ts';
import { submitJobs } from '../../core/jobs/submit.ts';
import { claimForWorker } from '../../core/leases/polling.ts';
import { startTestApp } from '../support/app.ts';
import { spec } from '../support/core.ts';
import { ask } from '../support/graphql.ts';
import { claim, submit } from '../support/jobs.ts';
import { problemIn } from '../support/rest.ts';
import { until } from '../support/until.ts';

/** Whether each of so many was let through. */
async function passes(count: number, one: () => Promise<unknown>): Promise<number> {
  let passed = 0;
  for (let time = 0; time < count; time++) {
    await one().then(
      () => (passed += 1),
      (error: unknown) => expect(error).toBeInstanceOf(RateLimitedError),
    );
  }
  return passed;
}

describe('how often may be asked', () => {
  test('with one key: five seconds’ worth at once, each key for itself', async () => {
    const rates = createRates({ perKey: 3, refusalsPerAddress: 0 });
    expect(await passes(40, () => rates.count('a'))).toBe(15);
    expect(await passes(15, () => rates.count('b'))).toBe(15);
  });

  test('by heartbeats and reports: ten a second of each lease, whatever else is asked with the key', async () => {
    const rates = createRates({ perKey: 1, refusalsPerAddress: 0 });
    expect(await passes(20, () => rates.count('a'))).toBe(5);
    expect(await passes(60, () => rates.count('a', 'lease 1'))).toBe(50);
    expect(await passes(50, () => rates.count('a', 'lease 2'))).toBe(50);
    expect(await passes(50, () => rates.count('b', 'lease 1'))).toBe(50);
    await expect(rates.count('a', 'lease 1')).rejects.toThrow(
      '50 heartbeats and reports in 5 s from who holds one job',
    );
  });

  test('by subscriptions on sockets: ten times as often, as all who follow something come back at once', async () => {
    const rates = createRates({ perKey: 1, refusalsPerAddress: 0 });
    expect(await passes(20, () => rates.count('a'))).toBe(5);
    expect(await passes(60, () => rates.countFollower('a'))).toBe(50);
    await expect(rates.countFollower('a')).rejects.toThrow('at most 50 subscriptions in 5 s over sockets with one key');
    expect(await passes(60, () => rates.countAgents('a'))).toBe(50);
  });

  test('by what a socket says of leases: ten a second of each of four, whatever other sockets say', async () => {
    const signs = createSocketSigns();
    const say = (lease: string, on = signs) => passes(60, () => Promise.resolve().then(() => on.count(lease)));
    expect([await say('1'), await say('2'), await say('3'), await say('4')]).toEqual([50, 50, 50, 50]);
    expect(signs.count('5')).toBe(false);
    expect(() => signs.count('1')).toThrow('50 heartbeats and reports in 5 s from who holds one job');
    expect(await say('1', createSocketSigns())).toBe(50);
  });

  test('after refused keys: so many from one address, and good ones do not count', async () => {
    const rates = createRates({ perKey: 0, refusalsPerAddress: 4 });
    expect(await passes(50, () => rates.admit('a'))).toBe(50);
    expect(await passes(10, () => rates.refused('a'))).toBe(4);
    await expect(rates.admit('a')).rejects.toThrow('4 refused keys a second');
    await expect(rates.admit('b')).resolves.toBeUndefined();
    expect([await rates.isOver('a'), await rates.isOver('b')]).toEqual([true, false]);
  });

  test('without bound, where the bound is 0', async () => {
    const rates = createRates({ perKey: 0, refusalsPerAddress: 0 });
    expect(await passes(1_000, () => rates.count('a'))).toBe(1_000);
    for (let time = 0; time < 100; time++) await rates.refused('a');
    await expect(rates.admit('a')).resolves.toBeUndefined();
  });

  test('is counted for ten thousand at a time: above that, who asked longest ago is forgotten', async () => {
    const rates = createRates({ perKey: 1, refusalsPerAddress: 0 });
    expect(await passes(9, () => rates.count('first'))).toBe(5);
    for (let other = 0; other < 9_999; other++) await rates.count(`other ${other}`);
    await expect(rates.count('first')).rejects.toThrow(RateLimitedError);
    for (let other = 0; other < 10_000; other++) await rates.count(`another ${other}`);
    await expect(rates.count('first')).resolves.toBeUndefined();
  });

  test('says in whole seconds when to ask again', async () => {
    const rates = createRates({ perKey: 1, refusalsPerAddress: 1 });
    await passes(5, () => rates.count('a'));
    await rates.refused('a');
    await expect(rates.count('a')).rejects.toMatchObject({ retryAfterSeconds: 5, code: 'RATE_LIMITED' });
    await expect(rates.admit('a')).rejects.toMatchObject({ retryAfterSeconds: 1 });
  });
});

describe('a server', async () => {
  const perKey = 2;
  const app = await startTestApp({ rates: createRates({ perKey, refusalsPerAddress: 0 }) });
  afterAll(() => app.close());

  test('answers with 429 and names the bound over REST, for that key alone', async () => {
    const { secret } = await app.account();
    const { secret: other } = await app.account();
    for (let time = 0; time < 10; time++) expect((await app.rest(secret, 'GET', '/users/me')).status).toBe(200);
    const { status, headers, body } = await app.rest(secret, 'GET', '/users/me');
    expect([status, headers.get('content-type')]).toEqual([429, 'application/problem+json']);
    expect(problemIn(body)).toMatchObject({ title: 'Too Many Requests', type: 'urn:kelpie:problem:rate-limited' });
    expect(problemIn(body).detail).toContain('10 requests in 5 s');
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(5);
    expect((await app.rest(other, 'GET', '/users/me')).status).toBe(200);
    for (const path of ['/livez', '/readyz', '/openapi.json']) {
      expect((await app.rest(secret, 'GET', path)).status).toBe(200);
    }
  });

  test('and over GraphQL with a code, the status and the head of HTTP', async () => {
    const { secret } = await app.account();
    for (let time = 0; time < 10; time++) await ask(app, secret, '{ viewer { role } }');
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const response = await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers: { 'X-Kelpie-Key': secret, 'Content-Type': 'application/json', Accept: accept },
        body: JSON.stringify({ query: '{ viewer { role } }' }),
      });
      expect(response.status).toBe(429);
      const after = Number(response.headers.get('retry-after'));
      expect(after).toBeGreaterThanOrEqual(1);
      const { errors } = (await response.json()) as { errors: { extensions: unknown }[] };
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'RATE_LIMITED', retryAfterSeconds: after }]);
    }
    expect((await app.rest(secret, 'GET', '/users/me')).status).toBe(429);
  });

  test('over a socket too, which stays open, and not what agents say there, or what is followed', async () => {
    const { viewer, secret } = await app.account();
    const client = app.socket(secret);
    const answerTo = async (query: string, variables: Record<string, unknown> = {}): Promise<unknown> => {
      const answers = client.iterate({ query, variables });
      return (await answers.next().catch((errors: unknown) => ({ value: { errors } }))).value;
    };
    const ask = () => answerTo('{ viewer { role } }');
    const refused = await until('an operation to be refused', async () => {
      const answer = await ask();
      return (answer as { errors?: unknown }).errors !== undefined && answer;
    });
    expect(refused).toMatchObject({
      errors: [{ extensions: { code: 'RATE_LIMITED', retryAfterSeconds: expect.any(Number) as unknown } }],
    });
    expect((await app.rest(secret, 'GET', '/users/me')).status).toBe(429);
    const { id } = await submit(app.core, viewer);
    expect(await answerTo('subscription ($id: ID!) { jobUpdated(id: $id) { status } }', { id })).toEqual({
      data: { jobUpdated: { status: 'PENDING' } },
    });
    const { lease: input } = await claim(app.core, viewer);
    for (let time = 0; time < 20; time++) {
      expect(await answerTo(HeartbeatDocument.toString(), { input })).toMatchObject({
        data: { heartbeat: { directive: 'CONTINUE' } },
      });
    }
    const registration = { machineId: 'machine', containerGroupId: 'group', sessionId: randomUUID() };
    expect(await answerTo(RegisterAgentDocument.toString(), { input: registration })).toMatchObject({
      data: { registerAgent: { __typename: 'Agent' } },
    });
    expect(await ask()).toMatchObject({ errors: [{ extensions: { code: 'RATE_LIMITED' } }] });
  });
});

describe('an address from which too many refused keys come', async () => {
  const app = await startTestApp({ rates: createRates({ perKey: 0, refusalsPerAddress: 5 }), trustedProxies: 1 });
  afterAll(() => app.close());
  const from = { 'X-Forwarded-For': '203.0.113.9' };
  const get = (key: string, path = '/users/me', head: Record<string, string> = from) =>
    fetch(`${app.url}${path}`, { headers: { ...head, 'X-Kelpie-Key': key } });
  /** Asks right after so many refused keys; again, should their second be over before it was asked. */
  const afterGuesses = <Answer>(what: string, ask: () => Promise<Answer | false>) =>
    until(what, async () => {
      await Promise.all(Array.from({ length: 5 }, (_, index) => get(`guess ${index}`)));
      return ask();
    });
  const opened = async (key: string): Promise<number | undefined> => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers: from });
    await once(socket, 'open');
    const answered = Promise.race([
      once(socket, 'message').then(() => undefined),
      once(socket, 'close').then(([code]) => code as number),
    ]);
    socket.send(JSON.stringify({ type: 'connection_init', payload: { 'X-Kelpie-Key': key } }));
    const code = await answered;
    socket.close();
    return code;
  };

  test('is told to come later with another bad one, over any door', async () => {
    expect((await get('first guess')).status).toBe(403);
    const refused = await afterGuesses('a bad key to be told so', async () => {
      const answer = await get('another guess');
      return answer.status === 429 && answer;
    });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.text()).toContain('5 refused keys a second');
    await afterGuesses('the same over GraphQL', async () => {
      return (await get('another guess', '/graphql?query={viewer{role}}')).status === 429;
    });
    await afterGuesses('a socket to be told so', async () => (await opened('another guess')) === 1013);
    expect((await get('a guess', '/users/me', { 'X-Forwarded-For': '198.51.100.1' })).status).toBe(403);
  });

  test('does not silence the good keys of the machines that share it', async () => {
    const { secret } = await app.account();
    const over = new AbortController();
    const guessing = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) await (await get('a worker with a wrong key')).text();
    });
    await until('it to be refused for guessing', async () => (await get('another guess')).status === 429);
    for (let time = 0; time < 20; time++) {
      expect((await get(secret)).status).toBe(200);
      expect((await get(secret, '/graphql?query={viewer{role}}')).status).toBe(200);
    }
    expect(await opened(secret)).toBeUndefined();
    // One that nobody here has seen before.
    expect((await get((await app.account()).secret)).status).toBe(200);
    over.abort();
    await Promise.all(guessing);
  });
});

describe('a fleet of polling workers with one key', async () => {
  const app = await startTestApp({ rates: createRates({ perKey: 2, refusalsPerAddress: 0 }) });
  afterAll(() => app.close());
  /** Asks for more than the key may, until what is tried meanwhile is over. */
  async function overAsked(secret: string, meanwhile: () => Promise<void>): Promise<void> {
    const ask = async () => (await app.rest(secret, 'GET', '/users/me')).status;
    await until('the bound', async () => (await ask()) === 429);
    let isOver = false;
    const asking = (async () => {
      while (!isOver) await ask();
    })();
    try {
      await meanwhile();
    } finally {
      isOver = true;
      await asking;
    }
  }

  test('keeps its leases and tells its endings, however much is asked with that key', async () => {
    const { secret, viewer } = await app.account();
    await submitJobs(
      app.core,
      viewer,
      Array.from({ length: 20 }, () => spec()),
    );
    const held: { id: string; machineId: string }[] = [];
    for (let index = 0; index < 20; index++) {
      const machineId = `machine ${index}`;
      const job = await claimForWorker(app.core, viewer, { machineId, containerGroupId: 'group' });
      held.push({ id: job!.id, machineId });
    }
    const told = (verb: string) =>
      Promise.all(
        held.map(async ({ id, machineId }) => {
          const worker = { machine_id: machineId, container_group_id: 'group' };
          return (await app.rest(secret, 'POST', `/jobs/${id}/${verb}`, worker)).body;
        }),
      );
    await overAsked(secret, async () => {
      for (let time = 0; time < 3; time++) {
        expect(await told('heartbeat')).toEqual(Array(20).fill({ status: 'running' }));
      }
      expect(await told('completed')).toEqual(Array(20).fill({ message: 'Completed reported', recorded: true }));
    });
  });

  test('keeps a lease beside a machine that lost the job and goes on about it', async () => {
    const { secret, viewer } = await app.account();
    const { id } = await submit(app.core, viewer);
    await claimForWorker(app.core, viewer, { machineId: 'holder', containerGroupId: 'group' });
    const beat = async (machine: string) =>
      app.rest(secret, 'POST', `/jobs/${id}/heartbeat`, { machine_id: machine, container_group_id: 'group' });
    await until('the other to be bounded', async () => (await beat('other')).status === 429);
    expect((await beat('holder')).body).toEqual({ status: 'running' });
  });

  test('is counted like anybody where it makes leases up, or names another account’s', async () => {
    const { secret } = await app.account('AGENT');
    const { viewer } = await app.account();
    const { id } = await submit(app.core, viewer);
    await claimForWorker(app.core, viewer, { machineId: 'machine', containerGroupId: 'group' });
    const worker = { machine_id: 'machine', container_group_id: 'group' };
    const input = { jobId: id, attempt: 1 };
    const http = createHttpTransport({ url: `${app.url}/graphql`, credentials: keyCredentials(secret) });
    const made: (() => Promise<unknown>)[] = [
      () => app.rest(secret, 'POST', `/jobs/${randomUUID()}/heartbeat`, worker),
      () => app.rest(secret, 'POST', `/jobs/${id}/heartbeat`, worker),
      () => http.request(HeartbeatDocument, { input: { ...input, jobId: randomUUID() } }, AbortSignal.timeout(20_000)),
      () => http.request(HeartbeatDocument, { input }, AbortSignal.timeout(20_000)),
    ];
    for (const one of made) {
      await until('the key’s own bound', async () => {
        // At once: how many come in five seconds one by one is the machine's matter.
        const answers = await Promise.all(
          Array.from({ length: 12 }, () => one().catch((error: unknown) => String(error))),
        );
        return JSON.stringify(answers).includes('10 requests in 5 s');
      });
    }
  });

  test('is counted like anybody where what it calls a job is none', async () => {
    const { secret } = await app.account();
    const beat = (id: string) => app.rest(secret, 'POST', `/jobs/${id}/heartbeat`, {});
    await until('the bound', async () => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => beat(randomBytes(8).toString('hex'))));
      return answers.some(({ status }) => status === 429);
    });
  });

  test('as agents that get no websocket through keep theirs', async () => {
    const { secret, viewer } = await app.account();
    const { id } = await submit(app.core, viewer);
    const { lease } = await claim(app.core, viewer);
    const over = createHttpTransport({ url: `${app.url}/graphql`, credentials: keyCredentials(secret) });
    const signal = AbortSignal.timeout(20_000);
    const input = { jobId: id, attempt: lease.attempt };
    await overAsked(secret, async () => {
      for (let time = 0; time < 3; time++) {
        const answer = await over.request(HeartbeatDocument, { input }, signal);
        expect(answer).toMatchObject({ heartbeat: { __typename: 'Lease' } });
      }
      const told = await over.request(CompleteAttemptDocument, { input }, signal);
      expect(told).toEqual({ completeAttempt: { __typename: 'Job' } });
    });
  });
});
