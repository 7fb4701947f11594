import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, describe, expect, test } from 'vitest';
import { finishAttempt } from '../../core/leases/finish.ts';
import { startTestApp } from '../support/app.ts';
import { ask, refusal, submitted } from '../support/graphql.ts';
import { claim, endings } from '../support/jobs.ts';

const app = await startTestApp();
afterAll(() => app.close());
const { secret: key, viewer } = await app.account();

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

describe('who is let in', () => {
  const operations = ['{ viewer { role } }', '{ nonsense }', '{ __schema { types { name } } }', 'mutation {', ''];

  test.each(operations)('anonymous operations get no further than the door: %j', async (query) => {
    const { errors, data } = await app.graphql(undefined, query);
    expect(data ?? null).toBeNull();
    expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'UNAUTHENTICATED' }]);
    expect(errors?.[0]?.message).toContain('X-Kelpie-Key');
  });

  test.each(operations)('and with an unknown key neither: %j', async (query) => {
    const { errors } = await app.graphql('unknown', query);
    expect(errors?.map(({ extensions }) => extensions)).toEqual([{ code: 'FORBIDDEN' }]);
  });

  test('a key that is revoked is refused from then on', async () => {
    const { secret, viewer: revoked } = await app.account();
    expect(await ask(app, secret, '{ viewer { role } }')).toEqual({ role: 'OWNER' });
    await app.database.query('update api_keys set revoked_at = now() where id = $1', [revoked.keyId]);
    expect((await refusal(app, secret, '{ viewer { role } }')).extensions).toEqual({ code: 'FORBIDDEN' });
  });

  test('a key in the URL is none', async () => {
    const url = `${app.url}/graphql?X-Kelpie-Key=${key}&query=${encodeURIComponent('{ viewer { role } }')}`;
    const answer = (await (await fetch(url)).json()) as { errors: { extensions: unknown }[] };
    expect(answer.errors[0]?.extensions).toEqual({ code: 'UNAUTHENTICATED' });
  });
});

describe('GraphQL over HTTP', () => {
  test('answers in the media type that was asked for', async () => {
    const accept = 'application/graphql-response+json';
    const response = await post({ query: '{ viewer { role } }' }, { 'X-Kelpie-Key': key, Accept: accept });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, `${accept}; charset=utf-8`]);
    expect(await response.json()).toEqual({ data: { viewer: { role: 'OWNER' } } });
  });

  test('a document that does not validate is a 400 in that media type', async () => {
    const headers = { 'X-Kelpie-Key': key, Accept: 'application/graphql-response+json' };
    const response = await post({ query: '{ nonsense }' }, headers);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('nonsense');
  });

  test('queries can be asked by GET, mutations cannot', async () => {
    const get = (query: string) =>
      fetch(`${app.url}/graphql?query=${encodeURIComponent(query)}`, { headers: { 'X-Kelpie-Key': key } });
    expect(await (await get('{ viewer { role } }')).json()).toEqual({ data: { viewer: { role: 'OWNER' } } });
    const before = await app.database.query('select count(*) from jobs');
    const mutation = await get('mutation { submitJob(input: {command: "a", containerGroupId: "g"}) { __typename } }');
    expect(mutation.status).toBe(405);
    expect(await app.database.query('select count(*) from jobs')).toEqual(before);
  });

  test('an operation with variables that do not fit names them', async () => {
    const { message, extensions } = await refusal(app, key, 'query ($id: ID!) { job(id: $id) { id } }', {});
    expect(message).toContain('$id');
    expect(extensions?.code).not.toBe('INTERNAL_SERVER_ERROR');
  });
});

describe('an unexpected error', () => {
  test('is masked: nothing of the inside gets out, and the path stays', async () => {
    await app.database.query('alter table bans rename to bans_elsewhere');
    await app.database.query('alter table job_events rename to job_events_elsewhere');
    try {
      const { message, extensions } = await refusal(
        app,
        key,
        'mutation { submitJob(input: {command: "a", containerGroupId: "masked"}) { __typename } }',
      );
      expect(message).toBe('Unexpected error.');
      expect(extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR' });
    } finally {
      await app.database.query('alter table bans_elsewhere rename to bans');
      await app.database.query('alter table job_events_elsewhere rename to job_events');
    }
    const left = await app.database.query(`select 1 from jobs where container_group_id = 'masked'`);
    expect(left).toEqual([]);
  });

  test('of one field says which, and leaves the others', async () => {
    const id = await submitted(app, key);
    await app.database.query('alter table attempts rename to attempts_elsewhere');
    try {
      const { errors, data } = await app.graphql(key, `{ viewer { role } job(id: "${id}") { id runSeconds } }`);
      expect(errors).toMatchObject([{ message: 'Unexpected error.', path: ['job', 'runSeconds'] }]);
      expect(data).toEqual({ viewer: { role: 'OWNER' }, job: null });
    } finally {
      await app.database.query('alter table attempts_elsewhere rename to attempts');
    }
  });
});

describe('subscriptions over server-sent events', () => {
  /** The events of one subscription, in the distinct connections mode: `next` with a result each, then `complete`. */
  async function* events(query: string): AsyncGenerator<{ event: string; data: string }> {
    const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'X-Kelpie-Key': key };
    // Not `fetch`: when it leaves a stream, it opens a spare connection, which a stopping server waits for.
    const asked = request(`${app.url}/graphql`, { method: 'POST', headers, agent: false });
    asked.end(JSON.stringify({ query }));
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    expect(response.headers['content-type']).toContain('text/event-stream');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) {
      text += String(chunk);
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const value = (name: string): string =>
          lines.flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : [])).join('\n');
        if (value('event') !== '') yield { event: value('event'), data: value('data') };
      }
    }
  }

  test('jobUpdated tells the present state, then the changes; leaving ends it', async () => {
    const id = await submitted(app, key, { containerGroupId: 'sse' });
    const statuses: string[] = [];
    for await (const { event, data } of events(`subscription { jobUpdated(id: "${id}") { status } }`)) {
      expect(event).toBe('next');
      const { status } = (JSON.parse(data) as { data: { jobUpdated: { status: string } } }).data.jobUpdated;
      statuses.push(status);
      if (statuses.length === 1) {
        const { lease } = await claim(app.core, viewer, 'machine', 'sse');
        await finishAttempt(app.core, viewer, lease, endings.completed);
      }
      if (status === 'COMPLETED') break;
    }
    expect(statuses[0]).toBe('PENDING');
    expect(statuses.at(-1)).toBe('COMPLETED');
  });

  test('of a job that is not there is told as an error, and ends', async () => {
    const seen: { event: string; data: string }[] = [];
    for await (const event of events('subscription { jobUpdated(id: "nothing") { status } }')) {
      seen.push(event);
    }
    expect(seen.at(-1)?.event).toBe('complete');
    expect(seen[0]?.data).toContain('NOT_FOUND');
    expect(seen[0]?.data).not.toContain('Unexpected');
  });
});
