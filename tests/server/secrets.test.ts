import { afterAll, expect, test } from 'vitest';
import { createKey } from '../../core/accounts/keys.ts';
import { createLog } from '../../server/log.ts';
import { startTestApp } from '../support/app.ts';
import { ADMIN_KEY, MASTER_KEY } from '../support/core.ts';
import { allRows } from '../support/jobs.ts';
import { openRaw } from '../support/raw-socket.ts';
import { startReceiver } from '../support/receiver.ts';
import { submission } from '../support/rest.ts';
import { until } from '../support/until.ts';

const KEY = 'kelpie_marker_of_a_key_4711';
const ENVIRONMENT = 'marker-of-a-secret-4712';

const lines: string[] = [];
const app = await startTestApp({ log: createLog('trace', { write: (line) => void lines.push(line) }) });
const receiver = await startReceiver();
afterAll(async () => {
  await receiver.close();
  await app.close();
});
const owner = await app.account();
await createKey(app.core, { accountId: owner.viewer.accountId, role: 'OWNER', secret: KEY });

/** What answers told that were no successes. */
const failures: string[] = [];

async function rest(method: string, path: string, body?: unknown, key = KEY): Promise<unknown> {
  const answer = await app.rest(key, method, path, body);
  if (answer.status >= 400) failures.push(JSON.stringify(answer.body));
  return answer.body;
}

async function graphql(query: string, variables: Record<string, unknown> = {}, key = KEY): Promise<void> {
  const { errors } = await app.graphql(key, query, variables);
  if (errors !== undefined) failures.push(JSON.stringify(errors));
}

async function socket(query: string, key = KEY): Promise<void> {
  const raw = openRaw(app.url, { 'X-Kelpie-Key': key });
  await until('an answer', () => raw.heard.length > 0 || raw.socket.readyState === raw.socket.CLOSED);
  if (raw.heard.length > 0) {
    raw.send({ id: '1', type: 'subscribe', payload: { query } });
    await until('the end', () => raw.heard.some(({ id, type }) => id === '1' && type !== 'next'));
    failures.push(JSON.stringify(raw.heard));
  }
  raw.socket.terminate();
  failures.push((await raw.closed)[1]);
}

const job = submission({ environment: { TOKEN: ENVIRONMENT }, webhook: receiver.url });
const worker = { machine_id: 'machine', container_group_id: 'group' };
const input = { command: 'true', containerGroupId: 'group', environment: { TOKEN: ENVIRONMENT } };
const submit = 'mutation ($input: SubmitJobInput!) { submitJob(input: $input) { __typename } }';

/** A whole life of a job, and whatever can go wrong around it. */
async function live(): Promise<void> {
  const { id } = (await rest('POST', '/jobs', job)) as { id: string };
  await rest('GET', '/work?machine_id=machine&container_group_id=group');
  await rest('POST', `/jobs/${id}/heartbeat`, worker);
  await rest('POST', `/jobs/${id}/completed`, worker);
  await graphql('{ jobs { nodes { id events { nodes { data } } } } }');
  await socket('{ viewer { role } }');
}

async function ask(): Promise<void> {
  for (const path of ['/jobs', '/work', '/events', '/graphql', '/nowhere', '/users/me']) {
    await rest('GET', `${path}?key=${KEY}&X-Kelpie-Key=${KEY}`, undefined, 'wrong');
    await fetch(`${app.url}${path}?key=${KEY}&query=${ENVIRONMENT}`).then((answer) => answer.text());
  }
  await rest('POST', '/jobs', { ...job, environment: { TOKEN: 5 } });
  await rest('POST', '/jobs', `{"environment": {"TOKEN": nonsense`);
  await rest('GET', '/jobs', undefined, MASTER_KEY);
  await graphql(submit, { input: { ...input, priority: 5_000 } });
  await graphql('{ nonsense }', {}, ADMIN_KEY);
  await socket('{ nonsense }');
  await socket('{ viewer { role } }', `${KEY}-wrong`);
}

/** The database breaks under statements that carry secrets. */
async function breakDown(): Promise<void> {
  await app.database.query('alter table jobs rename to jobs_elsewhere');
  await rest('POST', '/jobs', job);
  await graphql(submit, { input });
  const literal = `{command: "true", containerGroupId: "g", environment: {TOKEN: "${ENVIRONMENT}"}}`;
  await socket(`mutation { submitJob(input: ${literal}) { __typename } }`);
  await app.database.query('alter table jobs_elsewhere rename to jobs');
  await app.database.query('alter table api_keys rename to api_keys_elsewhere');
  await rest('GET', '/jobs');
  await graphql('{ viewer { role } }');
  await socket('{ viewer { role } }');
  await app.database.query('alter table api_keys_elsewhere rename to api_keys');
}

test('no key, no master key and no environment of a job is in the log, in an error, in a webhook’s body, or in the database in clear', async () => {
  await live();
  await ask();
  await breakDown();
  await until('both webhooks', () => receiver.received.length >= 2);
  expect(receiver.received[0]?.headers['x-kelpie-key']).toBe(KEY);

  const told = {
    log: lines.join(''),
    errors: failures.join('\n'),
    webhooks: receiver.received.map(({ body }) => body).join(),
  };
  expect(told.log).toContain('Unexpected error');
  expect(told.errors).toContain('Something unexpected happened');
  for (const [where, text] of Object.entries(told)) {
    for (const marker of [KEY, ADMIN_KEY, MASTER_KEY, ENVIRONMENT, owner.secret]) {
      expect(text.includes(marker), `${marker} in ${where}: ${around(text, marker)}`).toBe(false);
    }
  }
  const { jobs, ...others } = await allRows(app.database);
  expect(JSON.stringify(jobs)).toContain(ENVIRONMENT);
  for (const marker of [KEY, ADMIN_KEY, MASTER_KEY, owner.secret]) {
    expect(JSON.stringify({ jobs, others })).not.toContain(marker);
  }
  // A job's environment is nowhere but in the job: in no event, no delivery, and no audit.
  expect(JSON.stringify(others)).not.toContain(ENVIRONMENT);
});

function around(text: string, marker: string): string {
  const at = text.indexOf(marker);
  return at < 0 ? '' : text.slice(Math.max(0, at - 300), at + 100);
}

test('an error with thousands of line breaks in it, as somebody may have sent them, is logged in one pass', () => {
  const written: string[] = [];
  const log = createLog('error', { write: (line) => void written.push(line) });
  const began = process.cpuUsage();
  log.error(
    { err: new Error(`refused${'\n'.repeat(5_000)}x${' '.repeat(5_000)}\n - detail: (key)=(4713)\nkept`) },
    'x',
  );
  // Sharing the line breaks out between two parts of an expression takes minutes.
  expect(process.cpuUsage(began).user / 1e6).toBeLessThan(5);
  const [shown, hidden] = ['kept', '(key)=(4713)'].map((text) => written.join('').includes(text));
  expect([shown, hidden]).toEqual([true, false]);
});
