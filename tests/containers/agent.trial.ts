import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import type { Container } from './container.ts';
import { BUCKET, openFolder, startWorld, type World } from './world.ts';

/** What `npm run test:containers` has prepared. */
const EXECUTABLE = process.env.KELPIE_TEST_EXECUTABLE ?? '';
const IMAGES = (process.env.KELPIE_TEST_IMAGES ?? '').split(' ');
const [OLDEST = '', CURRENT = ''] = IMAGES;
const SCRIPT = join(import.meta.dirname, 'monte-carlo.pl');

let world: World;
beforeAll(async () => {
  world = await startWorld(CURRENT, EXECUTABLE);
  return () => world.stop();
});

const REGISTERED = '"msg":"Registered"';
const registered = (agent: Container) => agent.line((line) => line.includes(REGISTERED));

/** Its processes that have ended and that nobody has taken leave of. */
async function zombies(agent: Container): Promise<string[]> {
  const states = await agent.run('sh', '-c', 'grep -h ^State: /proc/[0-9]*/status; true');
  const lines = states.trim().split('\n');
  // Process 1, the agent and grep: nobody was looked at if there are not even those.
  expect(lines.length).toBeGreaterThanOrEqual(3);
  return lines.filter((line) => /\sZ\s/.test(line));
}

describe.each([OLDEST, CURRENT])('in %s', (image) => {
  const suite = image.split(':')[1] ?? '';

  test('there is no Node', async () => {
    const looking = world.agent({ image, group: 'none', command: ['sh', '-c', 'command -v node nodejs; echo over'] });
    expect(await looking.ended).toEqual({ code: 0, signal: null });
    expect(looking.lines).toEqual(['over']);
  });

  test('an ordinary user on a read-only root may work in one directory', async () => {
    const work = await openFolder(world, `work-${suite}`);
    const strict = ['--read-only', '--read-only-tmpfs=false', '--user', '1000:1000'];
    const flags = [...strict, '--volume', `${work}:/work`, '--workdir', '/work'];
    const checked = world.agent({ image, group: suite, command: ['/kelpie', '--check'], flags });
    expect(await checked.ended).toEqual({ code: 0, signal: null });
    const report = checked.lines.join('\n');
    expect(report).toMatch(/^GOOD +server/m);
    expect(report).toMatch(/^GOOD +websocket/m);
    expect(report).toMatch(/^GOOD +working directory +\/work$/m);
    expect(report).not.toContain('process 1');

    const agent = world.agent({ image, group: `user-${suite}`, flags });
    const job = await world.submit({
      container_group_id: `user-${suite}`,
      command: 'sh',
      arguments: ['-c', 'id -u > out/user; touch /no 2> out/refusal; true'],
      sync: { after: [{ bucket: BUCKET, prefix: `user-${suite}/`, local_path: 'out', direction: 'upload' }] },
    });
    expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
    expect(await world.object(`user-${suite}/user`)).toBe('1000\n');
    expect(await world.object(`user-${suite}/refusal`)).toContain('Read-only file system');
    await agent.kill('SIGTERM');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    expect((await readdir(work)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('as process 1 it leaves no zombies, and passes signals on', async () => {
    const group = `orphans-${suite}`;
    const agent = world.agent({ image, group });
    await registered(agent);
    const orphans = 'for i in 1 2 3 4 5; do sh -c "(sleep 0.1; exit 3) &"; done';
    const done = await world.submit({ container_group_id: group, command: 'sh', arguments: ['-c', orphans] });
    expect(await done.end()).toMatchObject({ status: 'COMPLETED' });
    await until('no zombie to be left', async () => (await zombies(agent)).length === 0);
    // Whoever is process 1, it is not the agent.
    expect(await agent.run('readlink', '/proc/1/exe')).toContain('.kelpie-init-');

    const script = 'trap "echo told to stop; exit 0" TERM; echo begun; while :; do sleep 0.05; done';
    const held = await world.submit({ container_group_id: group, command: 'sh', arguments: ['-c', script] });
    await agent.line((line) => line === 'begun');
    await agent.kill('SIGTERM');
    await agent.line((line) => line === 'told to stop');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    await held.until(({ status, attempts: { nodes } }) => status === 'PENDING' && nodes[0]?.outcome === 'RELEASED');
  });

  test('where no program may run it says so, and works', async () => {
    const mounts = ['--mount', 'type=tmpfs,destination=/work,noexec,tmpfs-mode=1777', '--workdir', '/work'];
    const flags = ['--read-only', '--read-only-tmpfs=false', ...mounts, '--env', 'TMPDIR=/work'];
    const noexec = ['--mount', 'type=tmpfs,destination=/dev/shm,noexec'];
    const command = ['/kelpie', '--check'];
    const checked = world.agent({ image, group: suite, command, flags: [...flags, ...noexec] });
    expect(await checked.ended).toEqual({ code: 0, signal: null });
    expect(checked.lines.join('\n')).toMatch(/^LIMITED +process 1 .*--init/m);
  });
});

test('a private authority is believed, and a proxy gone through', async () => {
  const { secureUrl: KELPIE_API_URL, authority, proxy } = world;
  const flags = ['--volume', `${authority}:/authority.pem:ro`];
  const believing = { KELPIE_API_URL, NODE_EXTRA_CA_CERTS: '/authority.pem' };
  const command = ['/kelpie', '--check'];
  const group = 'proxied';

  const doubting = world.agent({ image: OLDEST, group, command, environment: { KELPIE_API_URL } });
  expect(await doubting.ended).toEqual({ code: 1, signal: null });
  expect(doubting.lines.join('\n')).toMatch(/^WRONG +server .*self-signed certificate/m);

  const HTTPS_PROXY = proxy.url;
  const direct = { ...believing, HTTPS_PROXY, NO_PROXY: 'localhost' };
  const around = world.agent({ image: OLDEST, group, command, environment: direct, flags });
  expect(await around.ended).toEqual({ code: 0, signal: null });
  expect(proxy.connected).toEqual([]);

  const through = world.agent({ image: OLDEST, group, environment: { ...believing, HTTPS_PROXY }, flags });
  await registered(through);
  const job = await world.submit({ container_group_id: group, command: 'true' });
  expect(await job.end()).toMatchObject({ status: 'COMPLETED' });
  expect(through.lines.join('\n')).toContain('Connected to the server');
  expect(new Set(proxy.connected)).toEqual(new Set([new URL(KELPIE_API_URL).host]));
  await through.kill('SIGTERM');
  expect(await through.ended).toEqual({ code: 0, signal: null });

  const checked = world.agent({ image: OLDEST, group, command, environment: { ...believing, HTTPS_PROXY }, flags });
  expect(await checked.ended).toEqual({ code: 0, signal: null });
  expect(checked.lines.join('\n')).toMatch(/^GOOD +websocket/m);
});

test('files go to and from a store through an encrypted proxy', async () => {
  const { secureUrl, secureStoreUrl, authority, secureProxy } = world;
  const group = 'encrypted';
  const agent = world.agent({
    ...{ image: OLDEST, group },
    environment: {
      KELPIE_API_URL: secureUrl,
      AWS_ENDPOINT_URL: secureStoreUrl,
      NODE_EXTRA_CA_CERTS: '/authority.pem',
      HTTPS_PROXY: secureProxy.url,
    },
    flags: ['--volume', `${authority}:/authority.pem:ro`],
  });
  const entry = (direction: string, local_path: string) => ({
    bucket: BUCKET,
    prefix: `${group}/`,
    local_path,
    direction,
  });
  const run = (script: string, sync: Record<string, unknown>) =>
    world.submit({ container_group_id: group, command: 'sh', arguments: ['-c', script], sync });
  // Large enough for parts, ranges, and many pieces.
  const make = 'mkdir -p out && dd if=/dev/urandom of=out/data bs=1M count=40 && sha256sum < out/data > out/sum';
  const made = await run(make, { after: [entry('upload', 'out')] });
  expect(await made.end()).toMatchObject({ status: 'COMPLETED' });
  const compared = await run('test "$(sha256sum < in/data)" = "$(cat in/sum)"', { before: [entry('download', 'in')] });
  expect(await compared.end()).toMatchObject({ status: 'COMPLETED', numFailures: 0 });
  expect(new Set(secureProxy.connected)).toEqual(new Set([secureUrl, secureStoreUrl].map((url) => new URL(url).host)));
  await agent.kill('SIGTERM');
  expect(await agent.ended).toEqual({ code: 0, signal: null });
});

test('a user without an entry in passwd, and so without a home, may run it', async () => {
  const command = ['sh', '-c', 'unset HOME; exec /kelpie --check'];
  const flags = ['--user', '54321:54321', '--passwd=false', '--workdir', '/tmp'];
  const checked = world.agent({ image: OLDEST, group: 'homeless', command, flags });
  expect(await checked.ended).toEqual({ code: 0, signal: null });
  expect(checked.lines.join('\n')).not.toContain('process 1');
});

test('several agents in one container have nothing in common by accident', async () => {
  const each = ['one', 'two'].map((name) => `(mkdir /tmp/${name} && cd /tmp/${name} && exec /kelpie) &`).join(' ');
  const group = 'several';
  const agent = world.agent({ image: CURRENT, group, command: ['sh', '-c', `${each} trap : TERM; wait; wait`] });
  await until('both to be registered', () => agent.lines.filter((line) => line.includes(REGISTERED)).length === 2);
  // Neither ends before both have begun.
  const meet =
    'echo "$KELPIE_STATE_FILE $PWD" > /tmp/met.$KELPIE_JOB_ID; until [ $(ls /tmp/met.* | wc -l) = 2 ]; do sleep 0.05; done';
  // That file is written beside the command, so it may be a moment late.
  const own = 'until grep -q $KELPIE_JOB_ID $KELPIE_STATE_FILE; do sleep 0.05; done';
  const script = `${meet}; ${own}; echo "at $KELPIE_STATE_FILE $PWD"`;
  const job = { container_group_id: group, command: 'sh', arguments: ['-c', script] };
  const jobs = [await world.submit(job), await world.submit(job)];
  for (const each of jobs) expect(await each.end()).toMatchObject({ status: 'COMPLETED' });
  const places = agent.lines.filter((line) => line.startsWith('at ')).map((line) => line.split(' '));
  expect(places.map(([, , directory]) => directory).toSorted()).toEqual(['/tmp/one', '/tmp/two']);
  expect(new Set(places.map(([, stateFile]) => stateFile)).size).toBe(2);
});

test('a job survives the loss of its container, and its result is that of an uninterrupted run', async () => {
  const steps = 120;
  const group = 'demo';
  const entry = (local_path: string, direction: string) => ({
    ...{ bucket: BUCKET, prefix: `demo/${local_path}/`, local_path, direction },
  });
  const start = (machine: string) =>
    world.agent({ image: OLDEST, group, machine, flags: ['--volume', `${SCRIPT}:/job/monte-carlo.pl:ro`] });
  const first = start('first');
  await registered(first);
  const job = await world.submit({
    container_group_id: group,
    command: '/job/monte-carlo.pl',
    arguments: [String(steps), '7', '100'],
    heartbeat_interval: 2,
    sync: {
      before: [entry('checkpoints', 'download')],
      during: [{ ...entry('checkpoints', 'upload'), pattern: 'checkpoint-*' }],
      after: [entry('output', 'upload')],
    },
  });
  await until('a checkpoint in the bucket', async () => world.object('demo/checkpoints/checkpoint-000005'), 60_000);
  await first.kill('SIGKILL');
  expect(await first.ended).toMatchObject({ code: 137 });

  const second = start('second');
  expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 1, numFailures: 0 });
  expect(Number(await world.object('demo/output/resumed'))).toBeGreaterThanOrEqual(5);
  expect(await world.object('demo/output/result')).toBe(await uninterrupted(steps));
  expect(await zombies(second)).toEqual([]);
});

async function uninterrupted(steps: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kelpie-reference-'));
  try {
    await promisify(execFile)(SCRIPT, [String(steps), '7', '0'], { cwd: folder });
    return await readFile(join(folder, 'output/result'), 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
