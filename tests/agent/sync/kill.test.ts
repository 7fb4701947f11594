import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { always, benchOfFile, BUCKET, instruction } from './support/bench.ts';
import type { Relayed } from './support/relay.ts';
import type { SyncOrder } from './support/sync-process.ts';

const bench = await benchOfFile();
const { local } = bench;
const children = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of children) await kill(child);
});

const PROGRAM = fileURLToPath(new URL('support/sync-process.ts', import.meta.url));
const LARGE = 17 * 2 ** 20;

/** An agent's sync in a process of its own. */
function startSync(prefix: string, until: SyncOrder['until']): ChildProcess {
  const order: SyncOrder = { endpoint: bench.relay.url, bucket: BUCKET, prefix, directory: bench.directory(), until };
  const child = fork(PROGRAM, [JSON.stringify(order)], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  children.add(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** Resolves when the `count`-th request that fits has arrived, which then waits for ever before it reaches the store. */
async function held(fits: (seen: Relayed) => boolean, count = 1): Promise<void> {
  const arrived = Promise.withResolvers<undefined>();
  let left = count;
  bench.relay.interfere = (seen) => {
    if (!fits(seen) || --left > 0) return undefined;
    arrived.resolve(undefined);
    return new Promise(() => undefined);
  };
  await arrived.promise;
}

/** What the next agent finds, on another machine. */
async function restored(prefix: string): Promise<Record<string, Buffer>> {
  bench.relay.interfere = () => undefined;
  await bench.sync({ before: [instruction('DOWNLOAD', prefix, `restored-${prefix}`)] }).download(always);
  const root = local(`restored-${prefix}`);
  const names = await readdir(root).catch(() => []);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(root, name))] as const)),
  );
}

describe('an agent that is killed', () => {
  it.each([
    ['while the body of a small file comes', 100_000, 1],
    ['between the ranges of a large one', LARGE, 2],
  ])(
    '%s leaves nothing half-written under a name, and the next start brings all of it',
    async (name, size, request) => {
      const prefix = `killed-down-${request}`;
      const content = randomBytes(size);
      await bench.write('source/model', content);
      await bench.sync({ after: [instruction('UPLOAD', prefix, 'source')] }).uploadAfter(always);
      const child = startSync(prefix, 'download');
      let gets = 0;
      const arrived = Promise.withResolvers<undefined>();
      bench.relay.interfere = async ({ method, key }) => {
        if (method !== 'GET' || key !== `${prefix}/model` || ++gets < request) return undefined;
        arrived.resolve(undefined);
        return 'stall';
      };
      await arrived.promise;
      await kill(child);
      expect((await readdir(local('ckpt'))).filter((file) => !file.startsWith('.kelpie-part-'))).toEqual([]);
      bench.relay.interfere = () => undefined;
      const [outcome] = (await once(startSync(prefix, 'download'), 'message')) as unknown[];
      expect(outcome, name).toBe('done');
      expect(await readdir(local('ckpt'))).toEqual(['model']);
      expect(content.equals(await readFile(local('ckpt/model')))).toBe(true);
    },
  );

  it.each([
    ['before a small file is sent', 10, ({ method }: Relayed) => method === 'PUT'],
    ['between two parts', LARGE, ({ query }: Relayed) => query.get('partNumber') === '2'],
    ['before the parts become one', LARGE, ({ method, query }: Relayed) => method === 'POST' && query.has('uploadId')],
  ])('%s leaves the last whole object, and the next start publishes what is there', async (name, size, stage) => {
    const prefix = `killed-up-${name.replaceAll(' ', '-')}`;
    await bench.put(`${prefix}/model`, 'before');
    const child = startSync(prefix, 'flush');
    await once(child, 'message');
    const content = randomBytes(size);
    await rm(local('ckpt/model'));
    await bench.write('ckpt/model', content);
    const holding = held(stage);
    child.send('go on');
    await holding;
    await kill(child);
    expect((await restored(prefix)).model?.toString()).toBe('before');
    await bench.sync({ during: [instruction('UPLOAD', prefix, 'ckpt')] }).flush(always);
    expect(content.equals((await restored(prefix)).model!)).toBe(true);
  });

  it('between two deletions leaves only whole files, and all that are still there', async () => {
    for (const step of [1, 2, 3]) await bench.put(`killed-deleting/step-${step}`, String(step));
    const child = startSync('killed-deleting', 'flush');
    await once(child, 'message');
    await bench.write('ckpt/step-4', '4');
    for (const step of [1, 2, 3]) await rm(local(`ckpt/step-${step}`));
    const holding = held(({ method }) => method === 'DELETE', 2);
    child.send('go on');
    await holding;
    await kill(child);
    const left = await restored('killed-deleting');
    expect(left['step-4']?.toString()).toBe('4');
    for (const [name, content] of Object.entries(left)) expect(content.toString()).toBe(name.slice('step-'.length));
    // The next agent, on another machine: whatever came back is the command's to delete again.
    await rm(local('ckpt'), { recursive: true });
    const next = startSync('killed-deleting', 'flush');
    await once(next, 'message');
    for (const name of await readdir(local('ckpt'))) if (name !== 'step-4') await rm(local(`ckpt/${name}`));
    next.send('go on');
    const [outcome] = (await once(next, 'message')) as unknown[];
    expect(outcome).toBe('done');
    expect(await bench.keys('killed-deleting/')).toEqual(['killed-deleting/step-4']);
  });
});
