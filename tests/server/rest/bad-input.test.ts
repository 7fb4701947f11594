import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { problemIn, submission } from '../../support/rest.ts';

let app: TestApp;
let key: string;

beforeAll(async () => {
  app = await startTestApp();
  key = (await app.account()).secret;
});
afterAll(() => app.close());

async function jobCount() {
  const [row] = await app.database.query<{ count: number }>('select count(*)::int as count from jobs');
  return row?.count;
}

/** Asks, and sees that it is a clear 400 that stored nothing. */
async function refusal(path: string, body: unknown) {
  const { status, body: answer, headers } = await app.rest(key, 'POST', path, body);
  expect(status).toBe(400);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(await jobCount()).toBe(0);
  const problem = problemIn(answer);
  expect([problem.error, problem.message]).toEqual(['Bad Request', problem.detail]);
  expect(JSON.stringify(problem)).not.toMatch(ZODS_OWN_WORDS);
  return problem;
}

/** What a library says by itself names no way on. */
const ZODS_OWN_WORDS = /Invalid (input|option|string|key)|received|Too (big|small)|Unrecognized/;

/** Each place once: one value may have several faults. */
function pointersIn(problem: ReturnType<typeof problemIn>): string[] {
  return [...new Set(problem.errors?.map((fault) => fault.pointer))];
}

const download = { bucket: 'b', prefix: 'p', local_path: '/d', direction: 'download' };
const upload = { ...download, direction: 'upload' };
const older = {
  input_bucket: 'a',
  input_prefix: 'a',
  checkpoint_bucket: 'a',
  checkpoint_prefix: 'a',
  output_bucket: 'a',
};

const faults: [string, object, string][] = [
  ['no command', { command: undefined }, '/command'],
  ['an empty command', { command: '' }, '/command'],
  ['a command that is a number', { command: 1 }, '/command'],
  ['no container group', { container_group_id: undefined }, '/container_group_id'],
  ['a zero character', { command: 'a\0b' }, '/command'],
  ['half of a surrogate pair', { command: '\ud800' }, '/command'],
  ['an unknown field', { comand: 'x' }, '/comand'],
  ['an unknown field whose name needs escaping', { 'a/b~c': 'x' }, '/a~1b~0c'],
  ['the core’s name of a field', { containerGroupId: 'x' }, '/containerGroupId'],
  [
    'an unknown field of a sync entry',
    { sync: { before: [{ ...download, localPath: '/' }] } },
    '/sync/before/0/localPath',
  ],
  ['arguments that are one text', { arguments: 'x' }, '/arguments'],
  ['an argument that is a number', { arguments: ['x', 1] }, '/arguments/1'],
  ['an argument of 3 MB', { arguments: ['x'.repeat(3_000_000)] }, '/arguments/0'],
  ['arguments of 1.2 MB together', { arguments: Array.from({ length: 12 }, () => 'x'.repeat(100_000)) }, '/arguments'],
  ['a variable that is a number', { environment: { A: 1 } }, '/environment/A'],
  ['a variable with "=" in its name', { environment: { 'A=B': '1' } }, '/environment/A=B'],
  ['a webhook to a file', { webhook: 'file:///etc/passwd' }, '/webhook'],
  ['a webhook that is no URL', { webhook: 'example.com' }, '/webhook'],
  ['max_failures of 0', { max_failures: 0 }, '/max_failures'],
  ['max_failures of 1.5', { max_failures: 1.5 }, '/max_failures'],
  ['a heartbeat_interval of 0', { heartbeat_interval: 0 }, '/heartbeat_interval'],
  ['a compression of "true"', { compression: 'true' }, '/compression'],
  ['a priority of 101', { priority: 101 }, '/priority'],
  ['a label that is a number', { labels: { a: 1 } }, '/labels/a'],
  ['a prefix with ".."', { sync: { before: [{ ...download, prefix: 'a/../b' }] } }, '/sync/before/0/prefix'],
  ['an upload before the command', { sync: { before: [upload] } }, '/sync/before/0/direction'],
  ['a download during the command', { sync: { during: [upload, download] } }, '/sync/during/1/direction'],
  ['a download after the command', { sync: { after: [download] } }, '/sync/after/0/direction'],
  ['an unknown direction', { sync: { before: [{ ...download, direction: 'both' }] } }, '/sync/before/0/direction'],
  ['a pattern that compiles as neither', { sync: { after: [{ ...upload, pattern: '(' }] } }, '/sync/after/0/pattern'],
  ['a sync that is a list', { sync: [download] }, '/sync'],
  ['five of the six older fields', older, '/output_prefix'],
  ['both forms of sync', { ...older, output_prefix: '', sync: { before: [download] } }, '/sync'],
];

describe('a job is refused for', () => {
  test.each(faults)('%s', async (_, part, pointer) => {
    const single = await refusal('/jobs', submission(part));
    expect(pointersIn(single)).toEqual([pointer]);
    expect(single.errors?.[0]?.message).not.toBe('');
    const batch = await refusal('/jobs/batch', [submission(), submission(part)]);
    expect(pointersIn(batch)).toEqual([`/1${pointer}`]);
    expect(batch.index).toBe(1);
    expect(batch.detail).toContain('index 1');
  });

  test('all of its faults at once, a hundred of them told', async () => {
    const { errors } = await refusal('/jobs', { command: 1, webhook: 2, priority: 'x' });
    expect(errors?.map((fault) => fault.pointer)).toEqual(['/command', '/container_group_id', '/webhook', '/priority']);
    const many = await refusal('/jobs/batch', Array(1_000).fill({}));
    expect(many.errors).toHaveLength(100);
    expect(many.detail).toContain('more');
  });
});

test.each([
  ['the empty one', []],
  ['one that is a single job', submission()],
  ['one of 1,001 jobs', Array(1_001).fill(submission())],
])('a batch is refused: %s', async (_, body) => {
  const { errors } = await refusal('/jobs/batch', body);
  expect(errors?.map((fault) => fault.pointer)).toEqual(['']);
});

test.each([
  ['a bare word', 'hello', 'line 1 column 1'],
  ['a bare word as a value', '{"command": hello}', 'line 1 column 13'],
  ['a comma too many', '{\n  "command": "x",\n  }', 'line 3 column 3'],
  ['two commas', '{"a": [1, 2,, 3]}', 'line 1 column 13'],
  ['a list that does not end', '[1,\n2', 'line 2 column 2'],
  ['a text that does not end', '{"a": "x', 'line 1 column 9'],
  ['half a word far down', `[${'"x",'.repeat(5_000)}\n  tru]`, 'line 2 column 6'],
  ['nothing', '', 'empty'],
  ['nothing but a byte order mark', '\ufeff', 'empty'],
])('a body that is not JSON is refused with the place: %s', async (_, body, place) => {
  const { detail, errors } = await refusal('/jobs', body);
  expect(detail).toContain(place);
  expect(errors?.map((fault) => fault.pointer)).toEqual(['']);
});

const TEN_MB = 10_000_000;

test.each([
  ['of very many lines', `${'\n'.repeat(TEN_MB)}{`, `line ${TEN_MB + 1} column 2`],
  ['of one long line', `[${`${'1'.repeat(19)},`.repeat(TEN_MB / 20)}`, `line 1 column ${TEN_MB + 2}`],
  ['with a word where a value should be', `{"a": ${' '.repeat(TEN_MB)}hello`, 'unknown position'],
  ['of nothing but spaces', ' '.repeat(TEN_MB), 'empty'],
])('a body of 10 MB that is not JSON is refused without being taken apart: one %s', async (_, body, place) => {
  const began = process.cpuUsage();
  const { detail } = await refusal('/jobs', body);
  const { user, system } = process.cpuUsage(began);
  expect(detail).toContain(place);
  // Its way here and back, in both directions in this process, included.
  expect((user + system) / 1e6).toBeLessThan(1);
});

test.each(['null', '1', '"x"', '[]'])('JSON that is not an object is refused: %s', async (body) => {
  const { errors } = await refusal('/jobs', body);
  expect(errors?.map((fault) => fault.pointer)).toEqual(['']);
});

test('bytes that are not UTF-8 are refused', async () => {
  const body = new Uint8Array([0x22, 0xff, 0x22]);
  const response = await fetch(`${app.url}/jobs`, { method: 'POST', headers: { 'X-Kelpie-Key': key }, body });
  expect(response.status).toBe(400);
  expect(problemIn(await response.json()).detail).toContain('UTF-8');
});

describe('a body of more than 32 MiB is refused, and the bound named', () => {
  const headers = { 'X-Kelpie-Key': 'set below' };
  const tooLarge = () => ' '.repeat(33_554_433);
  const streamed = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(1_048_576).fill(0x20));
      },
    });

  test.each([
    ['announced', () => ({ body: tooLarge() })],
    ['streamed without end', () => ({ body: streamed(), duplex: 'half' as const })],
  ])('%s', async (_, init) => {
    const request = { method: 'POST', headers: { ...headers, 'X-Kelpie-Key': key }, ...init() };
    const response = await fetch(`${app.url}/jobs`, request);
    expect(response.status).toBe(413);
    expect(problemIn(await response.json()).detail).toContain('33554432');
    expect(await jobCount()).toBe(0);
  });
});

test.each([
  ['', ['/machine_id', '/container_group_id']],
  ['?machine_id=m', ['/container_group_id']],
  ['?container_group_id=g', ['/machine_id']],
  ['?container_group_id=g&machine_id=', ['/machine_id']],
])('GET /work%s names the parameters that are missing', async (query, pointers) => {
  const { status, body } = await app.rest(key, 'GET', `/work${query}`);
  expect(status).toBe(400);
  const problem = problemIn(body);
  expect(problem.errors?.map((fault) => fault.pointer)).toEqual(pointers);
  for (const pointer of pointers) expect(problem.message).toContain(pointer.slice(1));
});

test.each(['heartbeat', 'completed', 'failed'])('a %s without machine and group is refused', async (verb) => {
  const path = `/jobs/97f504e8-6de6-4322-b5d5-1777a59a7ad3/${verb}`;
  const { errors } = await refusal(path, { machine_id: 1, other: true });
  expect(errors?.map((fault) => fault.pointer)).toEqual(['/machine_id', '/container_group_id', '/other']);
});

test('more members than any field may hold are refused before each is looked at', async () => {
  const environment = Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`V${index}`, index]));
  expect(pointersIn(await refusal('/jobs', submission({ environment })))).toEqual(['/environment']);
  const crowd = Array.from({ length: 50_000 }, () => 0);
  expect(pointersIn(await refusal('/jobs/batch', [submission({ arguments: crowd })]))).toEqual(['/0/arguments']);
  const faults = Array.from({ length: 10_000 }, () => 0);
  expect(pointersIn(await refusal('/jobs', submission({ arguments: faults }))).length).toBeLessThanOrEqual(100);
});

test('a fault says what was expected and what came, and quotes nothing that may be a secret', async () => {
  const environment = { PASSWORD: 271828 };
  const { errors } = await refusal('/jobs', { ...submission(), command: 1, priority: 101, environment });
  expect(errors).toEqual([
    { pointer: '/command', message: 'Expected a text, got a number' },
    { pointer: '/environment/PASSWORD', message: 'Expected a text, got a number' },
    { pointer: '/priority', message: 'Expected at most 100, got 101' },
  ]);
});
