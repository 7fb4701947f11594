import { afterAll, describe, expect, test } from 'vitest';
import { ADMIN_KEY } from '../support/core.ts';
import { startTestApp } from '../support/app.ts';
import { ask, claimed, mutate, refusal, registered, submitted, type Answer } from '../support/graphql.ts';

const app = await startTestApp();
afterAll(() => app.close());
const { secret: key } = await app.account();
const { secret: stranger } = await app.account();

const names = Array.from({ length: 25 }, (_, index) => `job ${String(index).padStart(2, '0')}`);
await mutate(
  app,
  key,
  'submitJobs',
  names.map((name, index) => ({
    name,
    command: 'true',
    containerGroupId: index % 5 === 0 ? 'five' : 'group',
    labels: { parity: index % 2 === 0 ? 'even' : 'odd', third: String(index % 3) },
  })),
);
/** The first of group five runs on machine one; the second was canceled. */
const agent = await registered(app, key, 'one', 'five');
const running = await claimed(app, key, agent);
const second = await ask(
  app,
  key,
  '{ jobs(filter: {containerGroupId: "five"}, orderBy: OLDEST_FIRST) { nodes { id } } }',
);
await mutate(app, key, 'cancelJob', (second.nodes as Answer[])[1]!.id);

interface Page {
  names: string[];
  totalCount: number;
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

async function page(args: Record<string, unknown>, who = key): Promise<Page> {
  const answer = await ask(
    app,
    who,
    `query ($filter: JobFilter, $orderBy: JobOrder, $first: Int, $after: String, $last: Int, $before: String) {
      jobs(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { name } edges { cursor node { name } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
    args,
  );
  const { nodes, edges, pageInfo, totalCount } = answer as unknown as {
    nodes: { name: string }[];
    edges: { cursor: string; node: { name: string } }[];
    pageInfo: Page['pageInfo'];
    totalCount: number;
  };
  expect(edges.map(({ node }) => node)).toEqual(nodes);
  expect([edges.at(0)?.cursor ?? null, edges.at(-1)?.cursor ?? null]).toEqual([
    pageInfo.startCursor,
    pageInfo.endCursor,
  ]);
  return { names: nodes.map(({ name }) => name), totalCount, pageInfo };
}

describe('pages of jobs', () => {
  const orders = { NEWEST_FIRST: names.toReversed(), OLDEST_FIRST: names };

  test.each(Object.entries(orders))('%s, forwards: each job once, in order', async (orderBy, expected) => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { names: part, pageInfo, totalCount }: Page = await page({ orderBy, first: 10, after });
      expect(totalCount).toBe(25);
      expect(pageInfo.hasPreviousPage).toBe(after !== null);
      seen.push(...part);
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen).toEqual(expected);
  });

  test.each(Object.entries(orders))('%s, backwards: each job once, in order', async (orderBy, expected) => {
    const seen: string[] = [];
    let before: string | null = null;
    do {
      const { names: part, pageInfo }: Page = await page({ orderBy, last: 10, before });
      expect(pageInfo.hasNextPage).toBe(before !== null);
      seen.unshift(...part);
      before = pageInfo.hasPreviousPage ? pageInfo.startCursor : null;
    } while (before !== null);
    expect(seen).toEqual(expected);
  });

  test('a page stays what it is when younger jobs come meanwhile', async () => {
    const { secret } = await app.account();
    for (const name of ['a', 'b', 'c']) await submitted(app, secret, { name });
    const first = await page({ first: 2 }, secret);
    await submitted(app, secret, { name: 'd' });
    const next = await page({ first: 2, after: first.pageInfo.endCursor }, secret);
    expect([first.names, next.names, next.totalCount]).toEqual([['c', 'b'], ['a'], 4]);
  });

  test('an empty page has no cursors', async () => {
    expect(await page({ filter: { containerGroupId: 'nobody’s' } })).toEqual({
      names: [],
      totalCount: 0,
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });

  test('newest first is the default', async () => {
    expect((await page({ first: 1 })).names).toEqual(['job 24']);
  });

  test.each([
    [{ after: 'nonsense' }, 'after'],
    [{ last: 1, before: Buffer.from('p:x').toString('base64url') }, 'before'],
    [{ first: -1 }, 'first'],
    [{ last: -1 }, 'last'],
    [{ filter: { containerGroupId: 'a\0' } }, 'containerGroupId'],
    [{ filter: { machineId: 'x'.repeat(300) } }, 'machineId'],
    [{ filter: { labels: { a: 1 } } }, 'labels.a'],
    [{ filter: { labels: { 'a\0': 'x' } } }, 'labels'],
    [{ filter: { search: 'x'.repeat(201) } }, 'search'],
    [{ filter: { search: 'a b c d e f g h i j k' } }, 'search'],
    [{ filter: { status: ['LOST'] } }, 'LOST'],
    [{ filter: { colour: 'red' } }, 'colour'],
    [{ orderBy: 'SIDEWAYS' }, 'SIDEWAYS'],
  ])('%j is refused, naming the place', async (args, place) => {
    const { message, extensions } = await refusal(
      app,
      key,
      `query ($filter: JobFilter, $orderBy: JobOrder, $first: Int, $after: String, $last: Int, $before: String) {
        jobs(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
          nodes { id } } }`,
      args,
    );
    expect(message).toContain(place);
    expect(extensions?.code).not.toBe('INTERNAL_SERVER_ERROR');
  });
});

describe('filters', () => {
  const even = names.filter((_, index) => index % 2 === 0);
  const five = names.filter((_, index) => index % 5 === 0);

  test.each([
    ['by container group', { containerGroupId: 'five' }, five],
    ['by label', { labels: { parity: 'even' } }, even],
    [
      'by labels that all must hold',
      { labels: { parity: 'even', third: '0' } },
      names.filter((_, index) => index % 6 === 0),
    ],
    ['by status', { status: ['RUNNING'] }, ['job 00']],
    ['by any of several statuses', { status: ['RUNNING', 'CANCELED'] }, ['job 00', 'job 05']],
    ['by machine', { machineId: 'one' }, ['job 00']],
    ['by everything at once', { containerGroupId: 'five', status: ['PENDING'], labels: { parity: 'odd' } }, ['job 15']],
    ['by no status at all', { status: [] }, []],
    ['by nothing', {}, names],
    ['by nulls', { status: null, containerGroupId: null, machineId: null, labels: null }, names],
  ])('%s', async (_name, filter, expected) => {
    const found = await page({ filter, orderBy: 'OLDEST_FIRST' });
    expect([found.names, found.totalCount]).toEqual([expected, expected.length]);
  });

  test('hold for pages too', async () => {
    const filter = { labels: { parity: 'even' } };
    const first = await page({ filter, orderBy: 'OLDEST_FIRST', first: 5 });
    const next = await page({ filter, orderBy: 'OLDEST_FIRST', first: 5, after: first.pageInfo.endCursor });
    expect([...first.names, ...next.names]).toEqual(even.slice(0, 10));
    expect(next.totalCount).toBe(even.length);
  });
});

describe('a search', async () => {
  const { secret } = await app.account();
  const parts = [
    { name: 'Fold protein', command: 'python', arguments: ['fold.py', '--seed', '17', '100%'] },
    {
      name: 'fold_other',
      command: '/opt/fold',
      arguments: ['a "quoted" word', 'back\\slash'],
      containerGroupId: 'two',
    },
    { command: 'sh', arguments: ['-c', 'echo 100'] },
  ];
  const jobs = await mutate(
    app,
    secret,
    'submitJobs',
    parts.map((part) => ({ containerGroupId: 'one', labels: { kind: part.command }, ...part })),
  );
  const commands = async (filter: object): Promise<string[]> => {
    const query =
      'query ($filter: JobFilter) { jobs(filter: $filter, orderBy: OLDEST_FIRST) { totalCount nodes { command } } }';
    const { nodes, totalCount } = await ask(app, secret, query, { filter });
    expect(totalCount).toBe((nodes as Answer[]).length);
    return (nodes as { command: string }[]).map(({ command }) => command);
  };

  test.each([
    ['FOLD', ['python', '/opt/fold']],
    ['17 protein', ['python']],
    ['--seed 17', ['python']],
    ['  seed \t other ', []],
    ['100%', ['python']],
    ['100', ['python', 'sh']],
    ['fold_', ['/opt/fold']],
    ['"quoted"', ['/opt/fold']],
    ['back\\slash', ['/opt/fold']],
    ['\\', ['/opt/fold']],
    ["'; drop table jobs; --", []],
    ['?', []],
    ['', ['python', '/opt/fold', 'sh']],
    ['  ', ['python', '/opt/fold', 'sh']],
  ])('for %j finds the jobs that have each of its words', async (search, expected) => {
    expect(await commands({ search })).toEqual(expected);
  });

  test('knows ids, fits together with every other part of a filter, and nobody else’s jobs', async () => {
    expect(await commands({ search: (jobs.jobs as { id: string }[])[2]!.id.slice(3).toUpperCase() })).toEqual(['sh']);
    expect(await commands({ search: 'fold', containerGroupId: 'two' })).toEqual(['/opt/fold']);
    expect(await commands({ search: 'fold', labels: { kind: 'python' } })).toEqual(['python']);
    expect(await commands({ search: 'fold', status: ['RUNNING'] })).toEqual([]);
    expect(await commands({ search: 'job' })).toEqual([]);
  });
});

describe('one job', () => {
  test('is null for another account, an unknown id and a text that is no id', async () => {
    for (const id of ['11111111-1111-4111-8111-111111111111', 'no id', '']) {
      expect(await ask(app, key, 'query ($id: ID!) { job(id: $id) { id } }', { id })).toBeNull();
    }
    expect(await ask(app, stranger, `{ job(id: "${running.jobId}") { id } }`)).toBeNull();
    expect(await ask(app, key, `{ job(id: "${running.jobId.toUpperCase()}") { id } }`)).toEqual({ id: running.jobId });
  });

  test('another account’s jobs are in no list and no count', async () => {
    expect(await page({}, stranger)).toMatchObject({ names: [], totalCount: 0 });
  });

  test('the admin sees every account’s', async () => {
    expect(await ask(app, ADMIN_KEY, `{ job(id: "${running.jobId}") { name } }`)).toEqual({ name: 'job 00' });
    expect((await page({ filter: { containerGroupId: 'five' } }, ADMIN_KEY)).totalCount).toBe(5);
  });

  test('tells of the attempt that holds it, and what that attempt says', async () => {
    const progress = { fraction: 0.25, message: 'a quarter', metrics: { loss: 0.5 } };
    const said = { ...running, phase: 'RUNNING', progress, bytesDownloaded: '5000000000', bytesUploaded: 7 };
    expect(await mutate(app, key, 'heartbeat', said)).toMatchObject({ __typename: 'Lease', directive: 'CONTINUE' });
    const job = await ask(
      app,
      key,
      `{ job(id: "${running.jobId}") {
        status machineId heartbeatAt numHeartbeats runSeconds startedAt progress { fraction message metrics at }
        attempt { number machineId phase outcome reason exitCode signal startedAt endedAt bytesDownloaded bytesUploaded }
      } }`,
    );
    const moment = expect.stringMatching(/Z$/) as string;
    expect(job).toMatchObject({
      ...{ status: 'RUNNING', machineId: 'one', numHeartbeats: 1, heartbeatAt: moment, startedAt: moment },
      progress: { ...progress, at: moment },
      attempt: {
        ...{ number: 1, machineId: 'one', phase: 'RUNNING', outcome: null, reason: null, exitCode: null, signal: null },
        ...{ startedAt: moment, endedAt: null, bytesDownloaded: '5000000000', bytesUploaded: '7' },
      },
    });
    expect(job.runSeconds).toBeGreaterThan(0);
  });
});

describe('a job’s history', () => {
  test('attempts and events can be paged both ways', async () => {
    const { secret } = await app.account();
    const id = await submitted(app, secret);
    const worker = await registered(app, secret);
    for (let round = 0; round < 5; round++) {
      await mutate(app, secret, 'releaseAttempt', await claimed(app, secret, worker));
    }
    const history = async (args: string) => {
      const { attempts, events } = (await ask(
        app,
        secret,
        `{ job(id: "${id}") {
          attempts(${args}) { nodes { number outcome } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
          events(${args}) { nodes { seq type cursor } pageInfo { endCursor } } } }`,
      )) as unknown as {
        attempts: { nodes: { number: number; outcome: string }[]; pageInfo: Page['pageInfo'] };
        events: { nodes: { seq: number; type: string; cursor: string }[] };
      };
      return { ...attempts.pageInfo, numbers: attempts.nodes.map(({ number }) => number), events: events.nodes };
    };
    const start = await history('first: 2');
    expect(start).toMatchObject({ numbers: [1, 2], hasNextPage: true, hasPreviousPage: false });
    const next = await history(`first: 2, after: "${start.endCursor}"`);
    expect(next).toMatchObject({ numbers: [3, 4], hasNextPage: true });
    const end = await history('last: 2');
    expect(end).toMatchObject({ numbers: [4, 5], hasNextPage: false, hasPreviousPage: true });
    expect((await history(`last: 2, before: "${end.startCursor}"`)).numbers).toEqual([2, 3]);
    const all = (await history('first: 100')).events;
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1));
    expect(all.map(({ type }) => type).slice(0, 3)).toEqual(['SUBMITTED', 'CLAIMED', 'ATTEMPT_ENDED']);
    expect(new Set(all.map(({ cursor }) => cursor)).size).toBe(all.length);
  });
});

test('the viewer is told who it is', async () => {
  const { secret, viewer } = await app.account('VIEWER');
  expect(await ask(app, secret, '{ viewer { accountId role isAdmin } }')).toEqual({
    accountId: viewer.accountId,
    role: 'VIEWER',
    isAdmin: false,
  });
  expect(await ask(app, ADMIN_KEY, '{ viewer { role isAdmin } }')).toEqual({ role: 'OWNER', isAdmin: true });
});
