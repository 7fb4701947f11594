import { afterAll, expect, test } from 'vitest';
import { createLog } from '../../server/log.ts';
import { startTestApp } from '../support/app.ts';
import { claim, submit } from '../support/jobs.ts';

const lines: Record<string, unknown>[] = [];
const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
const app = await startTestApp({ log: createLog('error', { write }) });
afterAll(app.close);

const HEARTBEAT = 'mutation ($input: HeartbeatInput!) { heartbeat(input: $input) { __typename } }';

test('a line of the log names the request, the job and the attempt that it is about, at every door', async () => {
  const { viewer, secret } = await app.account();
  const job = await submit(app.core, viewer);
  const { lease } = await claim(app.core, viewer);
  await app.database.query('alter table attempts rename to gone');
  const variables = { input: { jobId: lease.jobId, attempt: lease.attempt } };
  const worker = { machine_id: 'machine', container_group_id: 'group' };

  await app.graphql(secret, HEARTBEAT, variables);
  await app.socket(secret).iterate({ query: HEARTBEAT, variables }).next();
  await app.rest(secret, 'POST', `/jobs/${job.id}/heartbeat`, worker);
  await app.graphql(secret, HEARTBEAT, { input: { jobId: 'not an id\n', attempt: 'many' } });
  await app.database.query('alter table gone rename to attempts');

  const failed = lines.filter(({ level }) => level === 50);
  const request = { request_id: expect.stringMatching(/^[\w-]{36}$/) as string };
  const about = { ...request, job_id: job.id, attempt: 1 };
  expect(failed).toMatchObject([about, about, { ...request, job_id: job.id }]);
  expect(new Set(failed.map((line) => line.request_id)).size).toBe(3);
});
