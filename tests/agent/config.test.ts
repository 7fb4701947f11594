import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../agent/config.ts';
import { VERSION } from '../../lib/version.ts';
import packageJson from '../../package.json' with { type: 'json' };

const complete = {
  KELPIE_API_URL: 'https://kelpie.example',
  KELPIE_API_KEY: 'a-secret',
  SALAD_MACHINE_ID: 'machine-1',
  SALAD_CONTAINER_GROUP_ID: 'group-1',
};

function faultsOf(environment: Record<string, string>): string {
  try {
    loadConfig(environment, '/app');
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
  }
  return expect.fail('the configuration was accepted');
}

describe('the agent’s configuration', () => {
  test('has defaults for all but four variables', () => {
    expect(loadConfig(complete, '/app')).toEqual({
      graphqlUrl: 'wss://kelpie.example/graphql',
      credentials: { apiKey: 'a-secret' },
      machineId: 'machine-1',
      containerGroupId: 'group-1',
      directories: { input: '/input', checkpoint: '/checkpoint', output: '/output' },
      logLevel: 'info',
      overlapUploads: true,
      metadataUrl: 'http://169.254.169.254',
      maxJobFailures: 5,
      maxIdleMs: 0,
      recreateBetweenJobs: false,
      shutdownGraceMs: 20_000,
      uploadGraceMs: 20_000,
      killGraceMs: 10_000,
      killWaitMs: 30_000,
      reconnectGraceMs: 5000,
      sync: {
        debounceMs: 100,
        stabilityCheckMs: 50,
        maxWaitMs: 5000,
        diskWaitMs: 60_000,
        maxRetries: 16,
        concurrency: 64,
      },
      storage: {},
      traces: { settings: undefined, joins: true, warnings: [] },
      workingDirectory: '/app',
      environment: complete,
    });
  });

  test('names every fault at once, and shows no secret', () => {
    const faults = faultsOf({
      KELPIE_API_KEY: 'a-secret',
      MAX_RETRIES: 'many',
      KELPIE_LOG_LEVEL: 'loud',
      KELPIE_API_URL: 'ftp://x',
    });
    for (const name of [
      'SALAD_MACHINE_ID',
      'SALAD_CONTAINER_GROUP_ID',
      'MAX_RETRIES',
      'KELPIE_LOG_LEVEL',
      'KELPIE_API_URL',
    ]) {
      expect(faults).toMatch(new RegExp(`^${name}\\b`, 'm'));
    }
    expect(faults.split('\n')).toHaveLength(5);
    expect(faults).not.toContain('a-secret');
  });

  test('refuses a key that no header can carry, and does not show it', () => {
    const faults = faultsOf({ ...complete, KELPIE_API_KEY: 'a-secret\na-second' });
    expect(faults).toMatch(/^KELPIE_API_KEY: expected /);
    expect(faults).not.toMatch(/secret|second/);
    expect(loadConfig({ ...complete, KELPIE_API_KEY: ' a secret \n' }, '/app').credentials).toEqual({
      apiKey: 'a secret',
    });
  });

  test('takes an empty variable for one that is not set', () => {
    expect(loadConfig({ ...complete, MAX_RETRIES: '', AWS_REGION: '' }, '/app')).toMatchObject({
      sync: { maxRetries: 16 },
      storage: {},
    });
    expect(faultsOf({ ...complete, KELPIE_API_KEY: '' })).toMatch(/^KELPIE_API_KEY is not set/);
  });

  test('takes a limit for uploads in megabits a second', () => {
    expect(loadConfig({ ...complete, KELPIE_MAX_UPLOAD_MBPS: '2.5' }, '/app').storage).toEqual({ maxUploadMbps: 2.5 });
    for (const wrong of ['0', '-1', 'fast']) {
      expect(faultsOf({ ...complete, KELPIE_MAX_UPLOAD_MBPS: wrong })).toMatch(/^KELPIE_MAX_UPLOAD_MBPS: expected/);
    }
  });

  test.each([
    ['kelpie.example', 'wss://kelpie.example/graphql'],
    ['localhost:3000', 'wss://localhost:3000/graphql'],
    ['http://localhost:3000', 'ws://localhost:3000/graphql'],
    ['https://kelpie.example/', 'wss://kelpie.example/graphql'],
    ['https://kelpie.example/base/', 'wss://kelpie.example/base/graphql'],
  ])('finds the websocket of %s at %s', (address, expected) => {
    expect(loadConfig({ ...complete, KELPIE_API_URL: address }, '/app').graphqlUrl).toBe(expected);
  });

  test.each([
    ['KELPIE_API_URL', 'http://'],
    ['KELPIE_SHUTDOWN_GRACE_S', '-1'],
    ['KELPIE_UPLOAD_GRACE_S', 'long'],
    ['KELPIE_KILL_WAIT_S', '0'],
    ['KELPIE_OVERLAP_UPLOADS', 'sometimes'],
    ['MAX_RETRIES', '1.5'],
    ['FILE_WATCHER_DEBOUNCE_MS', '10ms'],
    ['AWS_ENDPOINT_URL', 'storage:9000'],
    ['SALAD_METADATA_URL', 'https://169.254.169.254'],
    ['SALAD_METADATA_URL', '169.254.169.254'],
    ['MAX_JOB_FAILURES', '-1'],
    ['MAX_TIME_WITH_NO_WORK_S', 'long'],
    ['KELPIE_RECREATE_BETWEEN_JOBS', 'maybe'],
    ['KELPIE_SALAD_PROJECT', 'a/b'],
    ['SALAD_PROJECT_NAME', 'a\nb'],
  ])('refuses %s=%s', (name, value) => {
    expect(faultsOf({ ...complete, [name]: value })).toMatch(new RegExp(`^${name}: expected`));
  });

  test.each([
    ['false', false],
    ['0', false],
    ['true', true],
  ])('overlaps uploads as KELPIE_OVERLAP_UPLOADS=%s says', (text, expected) => {
    expect(loadConfig({ ...complete, KELPIE_OVERLAP_UPLOADS: text }, '/app').overlapUploads).toBe(expected);
  });

  describe('without a key', () => {
    const keyless = { ...complete, KELPIE_API_KEY: '' };

    test.each([
      [{ SALAD_PROJECT_NAME: 'training' }, 'training'],
      [{ KELPIE_SALAD_PROJECT: 'mine', SALAD_PROJECT_NAME: 'training' }, 'mine'],
    ])('takes the tokens of the machine for the project of %o', (project, saladProject) => {
      expect(loadConfig({ ...keyless, ...project }, '/app').credentials).toEqual({ saladProject });
      expect(loadConfig({ ...complete, ...project }, '/app').credentials).toEqual({ apiKey: 'a-secret' });
    });

    test.each([{}, { SALAD_PROJECT_NAME: 'training', SALAD_METADATA_URL: 'none' }])(
      'says so where nobody could say who it is: %o',
      (environment) => {
        const faults = faultsOf({ ...keyless, ...environment, MAX_RETRIES: 'many' });
        expect(faults).toMatch(/^KELPIE_API_KEY is not set: .*KELPIE_SALAD_PROJECT\nMAX_RETRIES: [^\n]*$/);
      },
    );
  });

  test('finds the metadata service elsewhere, or leaves it alone', () => {
    const at = (url: string) => loadConfig({ ...complete, SALAD_METADATA_URL: url }, '/app');
    expect(at('http://127.0.0.1:80')).toHaveProperty('metadataUrl', 'http://127.0.0.1:80');
    expect(at('none')).not.toHaveProperty('metadataUrl');
  });

  test('takes a state file’s path from the working directory', () => {
    const at = (path: string) => loadConfig({ ...complete, KELPIE_STATE_FILE: path }, '/app').stateFile;
    expect([at('run/state.json'), at('/run/state.json'), at('')]).toEqual([
      '/app/run/state.json',
      '/run/state.json',
      undefined,
    ]);
  });

  test('prefers what is meant for S3 alone over what is meant for all of AWS', () => {
    const storage = {
      AWS_ENDPOINT_URL: 'http://all:1',
      AWS_ENDPOINT_URL_S3: 'http://s3:2',
      AWS_DEFAULT_REGION: 'eu-1',
    };
    expect(loadConfig({ ...complete, ...storage }, '/app').storage).toEqual({
      endpoint: 'http://s3:2',
      region: 'eu-1',
    });
  });
});

test('the agent names the version of its package', () => {
  expect(VERSION).toBe(packageJson.version);
});

test('the directory that it was started in may be gone, and that is what it says', () => {
  const gone = mkdtempSync(join(tmpdir(), 'kelpie-config-'));
  const script = `rmdir ${gone}; exec "$NODE" ${join(import.meta.dirname, '../../agent/main.ts')}`;
  const { status, stderr } = spawnSync('sh', ['-c', script], {
    cwd: gone,
    env: { NODE: process.execPath, PATH: process.env['PATH'] ?? '' },
    encoding: 'utf8',
  });
  expect(stderr).toContain('The directory that this was started in is gone');
  expect(status).toBe(2);
});
