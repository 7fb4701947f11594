import { createClient, type Client } from 'graphql-sse';
import { afterAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../../core/jobs/cancel.ts';
import { finishAttempt } from '../../../core/leases/finish.ts';
import { openLink } from '../../chaos/proxy.ts';
import { startTestApp } from '../../support/app.ts';
import { mutation, submitted } from '../../support/graphql.ts';
import { claim, endings } from '../../support/jobs.ts';
import { until } from '../../support/until.ts';

const app = await startTestApp();
const clients: Client[] = [];
afterAll(async () => {
  for (const client of clients) client.dispose();
  await app.close();
});
const { secret: key, viewer } = await app.account();

/** The client that others use, each operation on a connection of its own. */
function connect(options: { key?: string; url?: string; retryAttempts?: number } = {}): Client {
  const client = createClient({
    url: `${options.url ?? app.url}/graphql`,
    headers: { 'X-Kelpie-Key': options.key ?? key },
    retryAttempts: options.retryAttempts ?? 0,
    retry: async () => undefined,
  });
  clients.push(client);
  return client;
}

/** What one operation tells, to its end. */
function follow(client: Client, query: string, variables: Record<string, unknown> = {}) {
  const told: unknown[] = [];
  let end: 'complete' | { error: unknown } | undefined;
  const leave = client.subscribe(
    { query, variables },
    { next: (result) => told.push(result), error: (error) => (end = { error }), complete: () => (end = 'complete') },
  );
  return { told, leave, ended: () => end };
}

const statusOf = (id: string) => `subscription { jobUpdated(id: "${id}") { status } }`;
const told = (status: string) => ({ data: { jobUpdated: { status } } });

describe('the client of graphql-sse', () => {
  test('asks queries and mutations', async () => {
    const variables = { input: { command: 'true', containerGroupId: 'sse' } };
    const asked = follow(connect(), '{ viewer { role } }');
    const changed = follow(connect(), mutation('submitJob'), variables);
    await until('both to end', () => asked.ended() && changed.ended());
    expect([asked.ended(), changed.ended()]).toEqual(['complete', 'complete']);
    expect(asked.told).toEqual([{ data: { viewer: { role: 'OWNER' } } }]);
    expect(changed.told).toMatchObject([{ data: { submitJob: { status: 'PENDING' } } }]);
  });

  test('follows a job to its end', async () => {
    const id = await submitted(app, key, { containerGroupId: 'followed' });
    const job = follow(connect(), statusOf(id));
    await until('the present state', () => job.told.length > 0);
    const { lease } = await claim(app.core, viewer, 'machine', 'followed');
    await until('the claim', () => JSON.stringify(job.told.at(-1)) === JSON.stringify(told('RUNNING')));
    await finishAttempt(app.core, viewer, lease, endings.completed);
    await until('the end', () => JSON.stringify(job.told.at(-1)) === JSON.stringify(told('COMPLETED')));
    // A state may be told twice: it is the latest whenever something has changed.
    const distinct = job.told.filter((one, at) => JSON.stringify(one) !== JSON.stringify(job.told[at - 1]));
    expect(distinct).toEqual([told('PENDING'), told('RUNNING'), told('COMPLETED')]);
    job.leave();
  });

  test.each([
    ['a syntax error', 'subscription {', 'Syntax Error'],
    ['an unknown field', 'subscription { nonsense }', 'nonsense'],
    ['a job that is not there', statusOf('nothing'), 'nothing'],
  ])('is told %s', async (_name, query, message) => {
    const bad = follow(connect(), query);
    await until('the end', () => bad.ended());
    expect(bad.ended()).toBe('complete');
    expect(bad.told).toMatchObject([{ errors: [{ message: expect.stringContaining(message) as string }] }]);
  });

  test('is refused with an unknown key', async () => {
    const refused = follow(connect({ key: 'unknown' }), '{ viewer { role } }');
    await until('the end', () => refused.ended());
    expect(JSON.stringify([refused.told, refused.ended()])).toContain('X-Kelpie-Key');
    expect(JSON.stringify(refused.told)).not.toContain('OWNER');
  });

  test.each([
    ['an operation is left', (job: { leave: () => void }) => job.leave()],
    ['the client is disposed', (_job: unknown, client: Client) => client.dispose()],
  ])('ends what the server does for it when %s', async (_name, end) => {
    const id = await submitted(app, key);
    const client = connect();
    const job = follow(client, statusOf(id));
    await until('the present state', () => job.told.length > 0);
    expect(app.core.watchers.watched()).toContain(id);
    end(job, client);
    await until('nobody to watch', () => !app.core.watchers.watched().includes(id));
  });

  test('comes back after its connection has broken, and sees the present state', async () => {
    const id = await submitted(app, key);
    const link = await openLink(() => Number(new URL(app.url).port));
    const job = follow(connect({ url: `http://127.0.0.1:${link.port}`, retryAttempts: 5 }), statusOf(id));
    await until('the present state', () => job.told.length > 0);
    link.set({ is: 'CUT' });
    link.set({ is: 'OPEN' });
    await until('the subscription again', () => job.told.length > 1);
    expect(job.told).toEqual(job.told.map(() => told('PENDING')));
    await cancelJob(app.core, viewer, id);
    await until('the change', () => JSON.stringify(job.told.at(-1)) === JSON.stringify(told('CANCELED')));
    job.leave();
    await until('nobody to watch', () => !app.core.watchers.watched().includes(id));
    await link.close();
  });
});
