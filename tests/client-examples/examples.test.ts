import { join } from 'node:path';
import { afterAll, describe, expect, type TestContext } from 'vitest';
import { z } from 'zod';
import { EXAMPLE_PACKAGES, findTool } from '../../deploy/local/tools.ts';
import { openGateway } from '../support/gateway.ts';
import { BUCKET } from '../agent/sync/support/bench.ts';
import { scenarios, type Scene } from '../support/fleet.ts';
import { startProgram, type TestProgram } from '../support/program.ts';
import { EXAMPLES, expectTranscript } from './transcript.ts';

const test = scenarios();

/** As much of a message of graphql-transport-ws as tells what is asked. */
const subscribing = z.object({
  id: z.string().optional(),
  payload: z.object({ query: z.string().optional() }).optional(),
});

const running = new Set<TestProgram>();
afterAll(async () => {
  await Promise.all([...running].map((program) => program.vanish()));
});

/** Starts an example as a person would, against the scene's server and store. */
function startExample(
  scene: Scene,
  file: string,
  args: string[],
  environment: Record<string, string> = {},
): TestProgram {
  const program = startProgram(file, args, {
    workingDirectory: scene.folder,
    environment: {
      PATH: process.env['PATH'] ?? '',
      KELPIE_API_URL: scene.fleet.app.url,
      KELPIE_API_KEY: scene.fleet.ownerKey,
      AWS_ENDPOINT_URL: scene.fleet.store.relay.url,
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      PYTHONDONTWRITEBYTECODE: '1',
      ...environment,
    },
  });
  running.add(program);
  return program;
}

const example = (...path: string[]): string => join(EXAMPLES, ...path);

/** The environment's Python with the packages of the examples, or the test is skipped, and why. */
function pythonOr(skip: TestContext['skip']): string {
  const found = findTool(EXAMPLE_PACKAGES);
  if ('missing' in found) skip(found.missing);
  else return found.path;
  throw new Error('skip has not skipped');
}

describe('who follows jobs under a key that is revoked ends, and says why', () => {
  const revoked = async (scene: Scene, file: string, args: string[]) => {
    const { app, ownerKey } = scene.fleet;
    const { viewer, secret } = await app.account('SUBMITTER', 'herder');
    const program = startExample(scene, file, args, { KELPIE_API_KEY: secret, PYTHONUNBUFFERED: '1' });
    await program.line((line) => line.startsWith('submitted'));
    const revoke = 'mutation ($id: ID!) { revokeApiKey(id: $id) { __typename } }';
    await app.graphql(ownerKey, revoke, { id: viewer.keyId });
    const { code } = await program.ended;
    expect([code, program.lines.join('\n')]).toEqual([2, expect.stringContaining('revoked') as string]);
  };

  test('the one in TypeScript', async ({ scene }) => {
    await revoked(scene, process.execPath, [example('typescript/submit-and-watch.ts'), scene.group, 'true']);
  });

  test('the one in Python', async ({ scene, skip }) => {
    const sweep = [example('python-graphql/sweep.py'), example('python-graphql/sweep.csv'), '--group', scene.group];
    await revoked(scene, pythonOr(skip), [...sweep, '--bucket', BUCKET]);
  });
});

describe('who follows jobs asks again what may be asked again, and ends with 2, which no failed job gives, when refused', () => {
  const asksAgain = async (scene: Scene, file: string, args: string[]) => {
    const gateway = await openGateway(scene.fleet.app.url);
    const answers = ['UNAVAILABLE', 'RATE_LIMITED', 'FORBIDDEN'];
    gateway.answerInstead = (message) => {
      const { id, payload } = subscribing.parse(JSON.parse(message));
      if (payload?.query?.includes('jobEvents') !== true) return undefined;
      const code = answers.shift();
      return JSON.stringify({ id, type: 'error', payload: [{ message: `It is ${code}`, extensions: { code } }] });
    };
    const program = startExample(scene, file, args, { KELPIE_API_URL: gateway.url, PYTHONUNBUFFERED: '1' });
    const { code } = await program.ended;
    const told = program.lines.filter((line) => line.startsWith('It is '));
    const goingOn = ['UNAVAILABLE', 'RATE_LIMITED'].map((name) => `It is ${name}, going on after the last event`);
    expect([code, told], program.lines.join('\n')).toEqual([2, [...goingOn, expect.stringMatching(/FORBIDDEN/)]]);
    await gateway.close();
  };

  test('the one in TypeScript', async ({ scene }) => {
    await asksAgain(scene, process.execPath, [example('typescript/submit-and-watch.ts'), scene.group, 'true']);
  });

  test('the one in Python', async ({ scene, skip }) => {
    const sweep = [example('python-graphql/sweep.py'), example('python-graphql/sweep.csv'), '--group', scene.group];
    await asksAgain(scene, pythonOr(skip), [...sweep, '--bucket', BUCKET]);
  });
});

describe('each client example does what its transcript says', () => {
  test('TypeScript over GraphQL goes on after a lost connection, without missing an event or telling one twice', async ({
    scene,
  }) => {
    const gateway = await openGateway(scene.fleet.app.url);
    let cuts = 0;
    // Once, in the middle: what it had not heard yet, it hears on the next connection.
    gateway.hangUpOn = (message) => message.includes('"CLAIMED"') && cuts++ === 0;
    const args = [example('typescript/submit-and-watch.ts'), scene.group, 'echo', 'hello'];
    const program = startExample(scene, process.execPath, args, { KELPIE_API_URL: gateway.url });
    await program.line((line) => line === 'submitted');
    await scene.agent('machine-1');
    expect(await program.ended).toMatchObject({ code: 0 });
    expect(cuts).toBe(2);
    const typed = 'node submit-and-watch.ts local echo hello';
    await expectTranscript('typescript', [{ typed, lines: program.lines }]);
    await gateway.close();
  });

  test('curl follows what a job writes, to its end', async ({ scene }) => {
    await scene.agent('machine-1');
    const script = 'echo "hello\\tworld"; echo \'good"bye\'';
    const program = startExample(scene, 'sh', [example('curl/submit.sh'), scene.group, script]);
    expect(await program.ended, program.lines.join('\n')).toMatchObject({ code: 0 });
    const endless = startExample(scene, 'sh', [example('curl/submit.sh'), scene.group, 'echo begun; sleep 60']);
    await endless.line((line) => line === 'begun');
    await scene.fleet.app.rest(scene.fleet.ownerKey, 'DELETE', `/jobs/${endless.lines[0]!.split(' ')[1]}`);
    expect(await endless.ended, endless.lines.join('\n')).toMatchObject({ code: 1 });
    const refused = startExample(scene, 'sh', [example('curl/submit.sh'), scene.group, 'true'], {
      KELPIE_API_KEY: 'x',
    });
    expect(await refused.ended).toMatchObject({ code: 1 });
    expect(refused.lines.join('\n')).not.toContain('submitted');
    await expectTranscript('curl', [
      { typed: `sh submit.sh local '${script.replaceAll("'", `'\\''`)}'`, lines: program.lines },
    ]);
  });

  test('Python over REST waits for its job', async ({ scene, skip }) => {
    const python = pythonOr(skip);
    await scene.agent('machine-1');
    const program = startExample(scene, python, [example('python-rest/submit.py'), scene.group, 'echo', 'hello']);
    expect(await program.ended, program.lines.join('\n')).toMatchObject({ code: 0 });
    await expectTranscript('python-rest', [{ typed: 'python3 submit.py local echo hello', lines: program.lines }]);
  });

  test('Python over REST says what was not answered again, and submits nothing twice', async ({ scene, skip }) => {
    const python = pythonOr(skip);
    const gateway = await openGateway(scene.fleet.app.url);
    const lost = { POST: 0, WAIT: 0 };
    gateway.loseAnswerTo = ({ method, headers }) => {
      if (method === 'POST') return lost.POST++ === 0;
      return headers.prefer !== undefined && lost.WAIT++ === 0;
    };
    const script = [example('python-rest/submit.py'), scene.group, 'echo', 'hello'];
    const program = startExample(scene, python, script, { KELPIE_API_URL: gateway.url, PYTHONUNBUFFERED: '1' });
    await program.line((line) => line.startsWith('submitted'));
    await scene.agent('machine-1');
    expect(await program.ended, program.lines.join('\n')).toMatchObject({ code: 0 });
    expect(lost.POST).toBe(2);
    expect(lost.WAIT).toBeGreaterThan(1);
    const { ownerKey, app } = scene.fleet;
    const { body } = await app.rest(ownerKey, 'GET', `/jobs?container_group_id=${scene.group}`);
    expect(body).toMatchObject({ _count: 1 });
    await gateway.close();
  });

  test('Python over GraphQL sweeps a table, and collects what each job has left in the bucket', async ({
    scene,
    skip,
  }) => {
    const python = pythonOr(skip);
    await Promise.all([scene.agent('machine-1'), scene.agent('machine-2')]);
    const program = startExample(scene, python, [
      ...[example('python-graphql/sweep.py'), example('python-graphql/sweep.csv'), '--group', scene.group],
      ...['--bucket', BUCKET, '--program', example('jobs/train.py')],
    ]);
    expect(await program.ended, program.lines.join('\n')).toMatchObject({ code: 0 });
    const typed = 'python3 sweep.py sweep.csv --group local --bucket my-bucket --program /app/train.py';
    await expectTranscript('python-graphql', [{ typed, lines: program.lines }]);
  });

  test('the webhook receiver believes what is signed, tells it once, and refuses everything else', async ({
    scene,
  }) => {
    const { app, ownerKey } = scene.fleet;
    const { data } = await app.graphql(ownerKey, '{ webhookSecret { ... on WebhookSecret { secret } } }');
    const { secret } = (data as { webhookSecret: { secret: string } }).webhookSecret;
    const receiver = startExample(scene, process.execPath, [example('webhook-receiver/receiver.ts'), '0'], {
      KELPIE_WEBHOOK_SECRET: secret,
    });
    const url = (await receiver.line((line) => line.startsWith('listening'))).split(' ').at(-1)!;
    const forged = await fetch(url, { method: 'POST', body: '{"status":"completed"}' });
    expect(forged.status).toBe(400);
    await scene.agent('machine-1');
    const job = await scene.submit({ script: 'true', webhook: url });
    await job.end();
    await receiver.line((line) => line.includes('completed'));
    const huge = await fetch(url, { method: 'POST', body: 'x'.repeat(100_000) }).then(
      ({ status }) => status,
      () => 'CUT_OFF',
    );
    expect([413, 'CUT_OFF']).toContain(huge);
    receiver.signal('SIGTERM');
    await receiver.ended;
    await expectTranscript('webhook-receiver', [{ typed: 'node receiver.ts 8080', lines: receiver.lines }]);
  });
});

describe('an example that was not given what it needs says so in a line', () => {
  test('a key that is none: nothing is submitted, nothing followed, and the server’s words are there', async ({
    scene,
  }) => {
    const wrong = { KELPIE_API_KEY: 'wrong' };
    const ts = [example('typescript/submit-and-watch.ts'), scene.group, 'true'];
    const programs = [
      startExample(scene, 'sh', [example('curl/submit.sh'), scene.group, 'true'], wrong),
      startExample(scene, process.execPath, ts, wrong),
    ];
    for (const program of programs) {
      expect((await program.ended).code, program.lines.join('\n')).toBeGreaterThan(0);
      const said = program.lines.join('\n');
      expect(said).toContain('is unknown, revoked or expired');
      expect(said).not.toMatch(/submitted|Route Not Found|^ +at /m);
    }
  });

  test('no key, and no secret of webhooks', async ({ scene }) => {
    const unset = { KELPIE_API_KEY: '', KELPIE_WEBHOOK_SECRET: '' };
    const shell = startExample(scene, 'sh', [example('curl/submit.sh'), scene.group, 'true'], unset);
    const typescript = startExample(scene, process.execPath, [example('typescript/submit-and-watch.ts')], unset);
    const receiver = startExample(scene, process.execPath, [example('webhook-receiver/receiver.ts'), '0'], unset);
    for (const program of [shell, typescript, receiver]) {
      expect((await program.ended).code).toBeGreaterThan(0);
      expect(program.lines, program.lines.join('\n')).toHaveLength(1);
      expect(program.lines[0]).toMatch(/KELPIE_(API_KEY|WEBHOOK_SECRET)/);
    }
  });
});
