import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { check, type CheckParts, type Finding, reportOf } from '../../agent/check.ts';
import { createS3Store } from '../../agent/sync/s3.ts';
import { keyCredentials } from '../../agent/credentials.ts';
import { VERSION } from '../../lib/version.ts';
import { freePort, listenLocally } from '../../lib/port.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { COMPILED } from '../support/compiled.ts';
import { openGateway } from '../support/gateway.ts';
import { openStore, type TestStore } from './sync/support/store.ts';
import { besideDeadDisk, canHaveDeadDisk } from './support/dead-disk.ts';
import { startMetadataService } from '../support/metadata-service.ts';

const MAIN = join(import.meta.dirname, '../../agent/main.ts');
const CHECKER = join(import.meta.dirname, 'support/checker.ts');
let app: TestApp;
let folder: string;
let keys: Record<'AGENT' | 'OWNER' | 'SUBMITTER', string>;
let storage: TestStore;
beforeAll(async () => {
  app = await startTestApp();
  storage = await openStore();
  const secretOf = async (role: keyof typeof keys) => (await app.account(role, 'checked')).secret;
  keys = { AGENT: await secretOf('AGENT'), OWNER: await secretOf('OWNER'), SUBMITTER: await secretOf('SUBMITTER') };
});
afterAll(() => Promise.all([app.close(), storage.stop()]));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelpie-check-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

interface Place {
  url?: string;
  key?: string;
  withinMs?: number;
  endpoint?: string;
  workingDirectory?: string;
  ready?: CheckParts['store']['ready'];
}

/** What is found, by what was tried; where nothing is said it is sound. */
async function found(place: Place = {}): Promise<Record<string, Finding>> {
  const { url = app.url, key = keys.AGENT, withinMs = 3000, workingDirectory = folder } = place;
  const store = createS3Store({ endpoint: place.endpoint ?? storage.url });
  onTestFinished(() => store.close());
  const findings = await check({
    config: {
      graphqlUrl: `${url.replace('http', 'ws')}/graphql`,
      reconnectGraceMs: 5000,
      directories: { input: join(folder, 'a/b/input'), checkpoint: folder, output: join(folder, 'output') },
      workingDirectory,
    },
    credentials: keyCredentials(key),
    store: { ...store, ...(place.ready !== undefined && { ready: place.ready }) },
    withinMs,
  });
  expect(JSON.stringify(findings)).not.toContain(key);
  return Object.fromEntries(findings.map((finding) => [finding.what, finding]));
}

test('where all is well it says so, and leaves nothing behind', async () => {
  const findings = await found();
  expect(Object.values(findings).map(({ what, verdict }) => `${what}: ${verdict}`)).toEqual([
    'server: GOOD',
    'websocket: GOOD',
    'storage: GOOD',
    'working directory: GOOD',
    'temporary files: GOOD',
    'input directory: GOOD',
    'checkpoint directory: GOOD',
    'output directory: GOOD',
  ]);
  expect(findings['server']?.says).toMatch(/account [0-9a-f-]{36}, role AGENT$/);
  expect(await readdir(folder)).toEqual([]);
  expect(await app.database.query('select from agents')).toEqual([]);
});

test('a key that may not take work is wrong, and so is one that nobody knows', async () => {
  const { server } = await found({ key: keys.SUBMITTER });
  expect(server).toMatchObject({
    verdict: 'WRONG',
    says: expect.stringContaining('expected AGENT, this one may not') as string,
  });
  const unknown = await found({ key: 'no-such-key' });
  expect(unknown['server']).toMatchObject({
    verdict: 'WRONG',
    says: expect.stringMatching(/unknown, revoked or expired; check .*KELPIE_API_KEY/) as string,
  });
  expect(unknown).not.toHaveProperty('websocket');
});

test('a key of an owner works, and is more than a container should have', async () => {
  const { server } = await found({ key: keys.OWNER });
  expect(server).toMatchObject({
    verdict: 'LIMITED',
    says: expect.stringMatching(/role OWNER: it may take work, but .*; make a key of the role AGENT$/) as string,
  });
});

test('a server that is not there is wrong', async () => {
  const { server } = await found({ url: `http://127.0.0.1:${await freePort()}` });
  expect(server).toMatchObject({
    verdict: 'WRONG',
    says: expect.stringMatching(/ECONNREFUSED.*KELPIE_API_URL/) as string,
  });
});

test('without websockets the agent is limited', async () => {
  const gateway = await openGateway(app.url);
  onTestFinished(() => gateway.close());
  gateway.websockets = 'REFUSED';
  const { server, websocket } = await found({ url: gateway.url, withinMs: 500 });
  expect([server?.verdict, websocket?.verdict]).toEqual(['GOOD', 'LIMITED']);
});

test('a storage without credentials, that never answers, or that is not there, limits it', async () => {
  const rejecting = await found({ ready: () => Promise.reject(new Error('set AWS_REGION')) });
  expect(rejecting['storage']).toMatchObject({
    verdict: 'LIMITED',
    says: expect.stringContaining('set AWS_REGION') as string,
  });
  const silent = await found({ withinMs: 1000, ready: () => new Promise(() => undefined) });
  expect(silent['storage']?.says).toContain('no answer within 1000 ms');
  const absent = await found({ endpoint: `http://user:secret@127.0.0.1:${await freePort()}` });
  expect(absent['storage']).toMatchObject({
    verdict: 'LIMITED',
    says: expect.stringMatching(/127\.0\.0\.1:\d+\): .*AWS_ENDPOINT_URL/) as string,
  });
  expect(absent['storage']?.says).not.toContain('secret');
});

test.for([
  [403, 'InvalidAccessKeyId', 'WRONG', 'AWS_ACCESS_KEY_ID'],
  [403, 'SignatureDoesNotMatch', 'WRONG', 'AWS_SECRET_ACCESS_KEY'],
  [400, 'ExpiredToken', 'WRONG', 'AWS_SESSION_TOKEN'],
  [400, 'AuthorizationHeaderMalformed', 'WRONG', 'AWS_REGION'],
  [403, 'AccessDenied', 'GOOD', 'takes the credentials'],
  [501, 'NotImplemented', 'GOOD', 'takes the credentials'],
  [503, 'SlowDown', 'LIMITED', '503 SlowDown'],
] as const)('a storage that answers %i %s makes it %s', async ([status, code, verdict, says]) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.headers.authorization?.slice(0, 16)}`);
    const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>AKIAEXAMPLE no</Message></Error>`;
    response.writeHead(status, { 'Content-Type': 'application/xml' }).end(body);
  });
  const port = await listenLocally(server);
  onTestFinished(() => void server.close());
  const { storage: finding } = await found({ endpoint: `http://127.0.0.1:${port}` });
  expect(finding).toMatchObject({ verdict, says: expect.stringContaining(says) as string });
  expect(finding?.says).not.toContain('AKIA');
  expect(asked).toEqual(['GET AWS4-HMAC-SHA256']);
});

test('a storage that knows another secret for this key makes it wrong', async ({ skip }) => {
  skip(!storage.asksForSignatures, 'the embedded store takes any credentials');
  const secret = process.env['AWS_SECRET_ACCESS_KEY'];
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', `${secret}-not`);
  onTestFinished(() => void vi.unstubAllEnvs());
  expect((await found())['storage']).toMatchObject({ verdict: 'WRONG' });
});

test('a directory that cannot be written to is wrong where every job needs it', async () => {
  await writeFile(join(folder, 'file'), '');
  const findings = await found({ workingDirectory: join(folder, 'file') });
  expect(findings['working directory']).toMatchObject({
    verdict: 'WRONG',
    says: expect.stringContaining('cannot be written to') as string,
  });
});

test('a program is no directory, though it may be written to and executed', async () => {
  await writeFile(join(folder, 'output'), '', { mode: 0o755 });
  expect((await found())['output directory']).toMatchObject({
    verdict: 'LIMITED',
    says: expect.stringContaining('no directory') as string,
  });
});

test('the report has a line for each', () => {
  expect(
    reportOf([
      { what: 'server', verdict: 'GOOD', says: 'here' },
      { what: 'the storage', verdict: 'LIMITED', says: 'there' },
    ]),
  ).toBe('GOOD     server       here\nLIMITED  the storage  there\n');
});

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function program(words: string[], environment: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILED, ...environment };
    execFile(process.execPath, [MAIN, ...words], { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

test('the program says its version and how it is used', async () => {
  const [version, help, unclear] = await Promise.all([program(['--version']), program(['-h']), program(['python'])]);
  expect(version).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('KELPIE_API_URL') as string });
  expect(unclear).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining("'python'") as string });
});

test('the program’s check ends by what it has found', async () => {
  const salad = await startMetadataService();
  onTestFinished(() => salad.close());
  const environment = {
    ...{ KELPIE_API_URL: app.url, KELPIE_API_KEY: keys.AGENT },
    ...{ SALAD_MACHINE_ID: 'machine', SALAD_CONTAINER_GROUP_ID: 'group', SALAD_METADATA_URL: salad.url },
    ...{ AWS_ENDPOINT_URL: storage.url, AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID'] ?? '' },
    AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
  };
  const [sound, wrong, unset] = await Promise.all([
    program(['--check'], environment),
    program(['--check'], { ...environment, KELPIE_API_KEY: keys.SUBMITTER }),
    program(['--check'], { ...environment, SALAD_MACHINE_ID: '' }),
  ]);
  expect(sound).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^GOOD +storage .*takes the credentials/m) as string,
  });
  expect(wrong).toMatchObject({ code: 1, stdout: expect.stringMatching(/^WRONG +server /m) as string });
  expect(unset).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('SALAD_MACHINE_ID') as string });
  // The instance may be at work: nobody is told that it is idle.
  expect(salad.costs()).toEqual([]);
});

test('where https was assumed of a server that speaks plain http, it says what to write', async () => {
  const { server } = await found({ url: app.url.replace('http:', 'https:') });
  expect(server).toMatchObject({ verdict: 'WRONG', says: expect.stringContaining('write http://') as string });
  expect(server?.says).not.toMatch(/[\r\n]|SSL routines/);
});

test.runIf(canHaveDeadDisk())('a disk that does not answer is told like anything else, and keeps nobody', () => {
  const [file, ...words] = [...besideDeadDisk('dead'), process.execPath, CHECKER, 'dead'];
  const { stdout, stderr, status } = spawnSync(file, words, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  expect(stdout).toMatch(/LIMITED +input directory +.*dead cannot be written to \(no answer within 2000 ms\)/);
  expect(stdout).toMatch(/GOOD +working directory/);
  expect(stderr).toMatch(/disk does not answer/);
  expect(status).toBe(137);
});
