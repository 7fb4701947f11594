import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { isDatabaseAway } from '../../db/away.ts';
import { Ban } from '../../db/entities/ban.ts';
import { MORE_FAULTS } from '../../lib/few-faults.ts';
import { startTestApp } from '../support/app.ts';
import { ask, mutate, submitted } from '../support/graphql.ts';
import { problemIn, submission } from '../support/rest.ts';

/** Requests that were made to cost a server far more than they cost who sends them. */
const app = await startTestApp();
afterAll(() => app.close());
const { secret: key } = await app.account('SUBMITTER', 'a tenant');

const entry = { bucket: 'b', prefix: '', local_path: '/d', direction: 'upload' };
const withPatterns = (patterns: string[]) =>
  submission({ sync: { during: patterns.map((pattern) => ({ ...entry, pattern })) } });

describe('patterns', () => {
  test('of braces that nobody closes are refused one by one', async () => {
    const patterns = Array.from({ length: 16 }, (_, index) => `{${' '.repeat(251)}${100 + index}`);
    const { status, body } = await app.rest(key, 'POST', '/jobs', withPatterns(patterns));
    const faults = (problemIn(body).errors ?? []).map(({ message }) => message.includes('is not a usable glob'));
    expect([status, faults]).toEqual([400, patterns.map(() => true)]);
  });

  test('that take long together are refused, and the first that was not compiled is named', async () => {
    // What their braces could repeat is counted, though in these they repeat nothing.
    const dear = (index: number) => `{{0,999},${'x'.repeat(235)}${1_000 + index}}`;
    const jobs = Array.from({ length: 5 }, (_, job) =>
      withPatterns(Array.from({ length: 32 }, (_, index) => dear(32 * job + index))),
    );
    const { status, body } = await app.rest(key, 'POST', '/jobs/batch', jobs);
    const { errors = [], index } = problemIn(body);
    expect([status, errors.length, errors[0]?.message]).toEqual([400, 1, expect.stringContaining('too long')]);
    expect(errors[0]?.pointer).toMatch(new RegExp(`^/${index}/sync/during/\\d+/pattern$`));
  });
});

test('an object with more members than any field may have is refused once, however many fields name it', async () => {
  const fields = Array.from({ length: 5 }, (_, n) => `a${n}: jobs(first: 1, filter: { labels: $l }) { totalCount }`);
  const messages = async (count: number) => {
    const l = Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, '']));
    const { errors = [] } = await app.graphql(key, `query ($l: JSONObject) { ${fields.join(' ')} }`, { l });
    return errors.map(({ message }) => message);
  };
  expect(await messages(10_001)).toEqual([expect.stringContaining('at most 10000 entries')]);
  // Fewer come as far as the fields, which say what they take.
  expect(await messages(10_000)).toEqual([expect.stringContaining('at most 64 entries')]);
});

describe('a batch that is wrong throughout is looked at until that is clear', () => {
  const jobs = (argument: unknown) =>
    Array.from({ length: 20 }, () => ({ command: 'true', arguments: Array.from({ length: 5_000 }, () => argument) }));

  test('over REST', async () => {
    const body = jobs(1).map((job) => ({ ...job, container_group_id: 'group' }));
    const answer = await app.rest(key, 'POST', '/jobs/batch', body);
    const { errors = [], index, detail } = problemIn(answer.body);
    expect([answer.status, errors.length, index]).toEqual([400, 100, 0]);
    expect(errors.at(-1)?.pointer).toBe('/0/arguments/99');
    expect(detail).toContain('and at least 98 more');
  });

  test('over GraphQL', async () => {
    const input = jobs('\0').map((job) => ({ ...job, containerGroupId: 'group' }));
    const { __typename, issues } = await mutate(app, key, 'submitJobs', input);
    expect([__typename, issues.length]).toEqual(['InvalidInput', 101]);
    expect(issues.at(-1)).toEqual({ path: ['input', '0', 'arguments'], message: MORE_FAULTS });
  });
});

/** What an address may name, of the document of the API itself. */
const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({ parameters: z.array(z.object({ name: z.string(), in: z.string() })).default([]) }).loose(),
    ),
  ),
});

test.each(['%00', 'a%00b', '%ED%A0%80'])(
  'no parameter of an address that is %s is taken for a fault of the server’s',
  async (text) => {
    const { secret: owner } = await app.account('OWNER', 'an owner');
    const { paths } = documentSchema.parse((await app.rest(undefined, 'GET', '/openapi.json')).body);
    const asked: string[] = [];
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { parameters }] of Object.entries(methods)) {
        const query = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
        const filled = path.replaceAll(/\{\w+\}/g, text);
        const addresses = query.map(
          (name) => `${filled}?${query.map((one) => `${one}=${one === name ? text : 1}`).join('&')}`,
        );
        for (const address of filled === path ? addresses : [filled, ...addresses]) {
          const { status } = await app.rest(owner, method.toUpperCase(), address, method === 'get' ? undefined : {});
          asked.push(`${status} ${method} ${address}`);
        }
      }
    }
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter((line) => line.startsWith('5'))).toEqual([]);
  },
);

test.each(['jobUpdated(id: $x)', 'jobLogs(jobId: $x)', 'agentSignals(agentId: $x)', 'containerGroupUpdated(id: $x)'])(
  'nothing that is followed by %s is asked of the database as it was sent',
  async (field) => {
    const type = field.startsWith('container') ? 'String!' : 'ID!';
    const query = `subscription ($x: ${type}) { ${field} { __typename } }`;
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'X-Kelpie-Key': key },
      body: JSON.stringify({ query, variables: { x: 'a\0' } }),
    });
    expect(await response.text()).toMatch(/NOT_FOUND|FORBIDDEN|INVALID_INPUT/);
  },
);

describe('a zero character in the place of a machine', () => {
  test('is a fault of who sent it', async () => {
    const jobId = await submitted(app, key);
    const query = `mutation ($jobId: ID!, $machineId: String!) { liftBan(jobId: $jobId, machineId: $machineId) {
      __typename ... on InvalidInput { issues { path } } ... on Job { id } } }`;
    expect(await ask(app, key, query, { jobId, machineId: 'a\0' })).toEqual({
      __typename: 'InvalidInput',
      issues: [{ path: ['machineId'] }],
    });
    expect(await ask(app, key, query, { jobId, machineId: 'never banned' })).toEqual({ __typename: 'Job', id: jobId });
  });

  test('that comes as far as the database is no outage', async () => {
    const refused = await app.core.em
      .fork()
      .nativeDelete(Ban, { machineId: 'a\0' })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: '08P01' });
    expect(isDatabaseAway(refused)).toBe(false);
  });
});
