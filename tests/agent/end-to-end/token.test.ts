import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findJob } from '../../../core/jobs/find.ts';
import { viewerOfOrganization } from '../../../core/accounts/organizations.ts';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { createTokenCheck } from '../../../server/salad/token.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { openGateway } from '../../support/gateway.ts';
import { submit } from '../../support/jobs.ts';
import { startMetadataService, type TestMetadataService } from '../../support/metadata-service.ts';
import { startProgram, type TestProgram } from '../../support/program.ts';
import { instanceClaims, startSaladKeys, type SaladKeys } from '../../support/salad.ts';
import { until } from '../../support/until.ts';

const AGENT = join(import.meta.dirname, '../../../agent/main.ts');
let keys: SaladKeys;
let app: TestApp;
let owner: Viewer;
let folder: string;
beforeAll(async () => {
  keys = await startSaladKeys();
  app = await startTestApp({ salad: { token: createTokenCheck({ jwksUrl: keys.url }) } });
  const { salad_organization_name: name, salad_organization_id: id } = instanceClaims;
  owner = await viewerOfOrganization(app.core, { name, id }, { role: 'OWNER' });
  folder = await mkdtemp(join(tmpdir(), 'kelpie-token-'));
});
afterAll(async () => {
  await app.close();
  await keys.close();
  await rm(folder, { recursive: true, force: true });
});

/** A machine of Salad's with an agent that has no key, in a group of its own; its tokens live for so many seconds. */
async function machine(group: string, lifetime: number, url = app.url) {
  const salad = await startMetadataService();
  const tokens: string[] = [];
  salad.token = async () => {
    const expires = Math.floor(Date.now() / 1000) + lifetime;
    // Each is another one: whoever shows an old one can be told.
    const token = await keys.token({ salad_workload_id: group, jti: String(tokens.length) }, { expires });
    tokens.push(token);
    return token;
  };
  const agent = startProgram(process.execPath, [AGENT], {
    workingDirectory: folder,
    environment: {
      PATH: process.env['PATH'] ?? '',
      TMPDIR: folder,
      KELPIE_API_URL: url,
      KELPIE_LOG_LEVEL: 'trace',
      SALAD_MACHINE_ID: instanceClaims.salad_machine_id,
      SALAD_CONTAINER_GROUP_ID: group,
      SALAD_METADATA_URL: salad.url,
      SALAD_PROJECT_NAME: 'training',
      AWS_REGION: 'us-east-1',
    },
  });
  return { agent, salad, tokens, clear: () => clear(agent, salad) };
}

async function clear(agent: TestProgram, salad: TestMetadataService): Promise<void> {
  await agent.vanish();
  await salad.close();
}

const run = (group: string, script: string) =>
  submit(app.core, owner, { containerGroupId: group, command: 'sh', arguments: ['-c', script] });

async function completion(id: string): Promise<void> {
  await until(
    'the job to be completed',
    async () => (await findJob(app.core, owner, id)).status === 'COMPLETED',
    25_000,
  );
}

test.concurrent('an agent without a key works with its machine’s tokens, over as many as it takes', async () => {
  const { agent, tokens, clear: clearAll } = await machine('sockets', 3);
  const job = await run('sockets', 'sleep 5');
  await completion(job.id);
  const attempts = await app.database.query('select number, outcome from attempts where job_id = $1', [job.id]);
  expect(attempts).toEqual([{ number: 1, outcome: 'COMPLETED' }]);
  expect(tokens.length).toBeGreaterThan(1);
  const said = agent.lines.join('\n');
  for (const token of tokens) {
    const [, , signature = token] = token.split('.');
    expect(said).not.toContain(signature);
  }
  expect(agent.lines.filter((line) => line.includes('Registered')).length).toBeGreaterThan(1);
  await clearAll();
});

test.concurrent('the token of the next connection is at hand when that of this one ends', async () => {
  const { agent, salad, clear: clearAll } = await machine('successor', 10);
  await agent.line((text) => text.includes('"msg":"Registered"'));
  await salad.hears('GET /v1/token', 2);
  const isLost = (text: string) => text.includes('Not connected to the server');
  expect(agent.lines.some(isLost)).toBe(false);
  salad.meddle = (_asked, response) => {
    response.writeHead(503).end();
    return true;
  };
  await agent.line(isLost);
  await agent.line((text) => text.includes('"msg":"Registered"'), agent.lines.findIndex(isLost));
  await clearAll();
});

test.concurrent('so does one without websockets', async ({ onTestFinished }) => {
  const gateway = await openGateway(app.url);
  onTestFinished(() => gateway.close());
  gateway.websockets = 'REFUSED';
  const { clear: clearAll } = await machine('requests', 600, gateway.url);
  const job = await run('requests', 'exit 0');
  await completion(job.id);
  await clearAll();
});

test.concurrent('an agent waits for a metadata service that comes later, and says why', async () => {
  const { agent, salad, clear: clearAll } = await machine('late', 600);
  const answer = salad.token;
  salad.token = undefined;
  const line = await agent.line((text) => text.includes('There is nothing yet to show to the server'));
  expect(line).toContain('GET /v1/token was answered with status 404');
  salad.token = answer;
  await agent.line((text) => text.includes('"msg":"Registered"'));
  await clearAll();
});

test.concurrent('a token of another machine is of no use, and the agent goes on trying', async () => {
  const { agent, salad, clear: clearAll } = await machine('foreign', 600);
  salad.token = () => keys.token({ salad_workload_id: 'foreign', salad_machine_id: 'another' });
  const line = await agent.line((text) => text.includes('could not register') || text.includes('Registered'));
  expect(line).toContain('could not register');
  expect(line).not.toContain('eyJ');
  await clearAll();
});
