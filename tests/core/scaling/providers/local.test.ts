import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { createLocalProvider, type LocalOptions } from '../../../../core/scaling/providers/local.ts';
import { ProviderTrouble } from '../../../../core/scaling/provider.ts';
import { processRuns } from '../../../support/program.ts';
import { until } from '../../../support/until.ts';
import { behavesAsProvider } from './suite.ts';

const spare = { busy: new Set<string>() };
const never = new AbortController().signal;
const children = new Map<string, ChildProcess>();
const closes: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(closes.splice(0).map((close) => close()));
  expect([...children.values()].filter(({ pid }) => processRuns(pid ?? 0))).toEqual([]);
  children.clear();
});

/** Real processes. What an agent does when it is asked to retire and idle, these do at once: they end. */
async function make(options: Partial<LocalOptions> = {}) {
  const ref = { accountId: randomUUID(), containerGroupId: randomUUID(), organization: null, project: null };
  const provider = createLocalProvider({
    has: ({ containerGroupId }) => containerGroupId === ref.containerGroupId,
    spawn: async (machineId) => {
      const child = spawn('sleep', ['600'], { stdio: 'ignore' });
      children.set(machineId, child);
      const ended = once(child, 'exit');
      return {
        ready: once(child, 'spawn'),
        ended,
        async stop() {
          child.kill('SIGTERM');
          await ended;
        },
      };
    },
    retire: async (_group, machineIds, count) => {
      const leaving = machineIds.slice(0, count);
      for (const machineId of leaving) children.get(machineId)?.kill('SIGTERM');
      return leaving;
    },
    ...options,
  });
  closes.push(() => provider.close());
  return { provider, ref };
}

describe('this machine', () => {
  behavesAsProvider(() => make());

  test('has as many processes as it is set to, and none when it was stopped', async () => {
    const { provider, ref } = await make();
    await provider.setReplicas(ref, 3, spare, never);
    expect(children.size).toBe(0);
    await provider.start(ref, never);
    await until('three processes', () => running() === 3);
    await provider.stop(ref, spare, never);
    await until('no process', () => running() === 0);
  });

  test('starts no more at a time than it has processors for, and takes back what it has not begun', async () => {
    const up = Promise.withResolvers<undefined>();
    let most = 0;
    const begun: string[] = [];
    const { provider, ref } = await make({
      startAtOnce: 2,
      spawn: async (machineId) => {
        begun.push(machineId);
        most = Math.max(most, begun.length);
        const ended = Promise.withResolvers<undefined>();
        return { ready: up.promise, ended: ended.promise, stop: async () => ended.resolve(undefined) };
      },
      // None has registered yet.
      retire: async () => [],
    });
    await provider.setReplicas(ref, 5, spare, never);
    await provider.start(ref, never);
    await provider.setReplicas(ref, 2, spare, never);
    expect(await provider.get(ref, never)).toMatchObject({ replicas: 2 });
    await expect(provider.setReplicas(ref, 1, spare, never)).rejects.toMatchObject({ retryAfterMs: 1_000 });
    up.resolve(undefined);
    await provider.setReplicas(ref, 3, spare, never);
    await until('the third', () => begun.length === 3);
    expect(most).toBe(3);
    expect(new Set(begun).size).toBe(3);
  });

  test('misses a process that has died, so that another one is started for it, under another name', async () => {
    const { provider, ref } = await make();
    await provider.setReplicas(ref, 2, spare, never);
    await provider.start(ref, never);
    await until('two processes', () => running() === 2);
    const before = [...children.keys()];
    children.get(before[0]!)?.kill('SIGKILL');
    await until('its end to be known', async () => (await provider.get(ref, never)).replicas === 1);
    await provider.setReplicas(ref, 2, spare, never);
    await until('two processes', () => running() === 2);
    expect([...children.keys()].filter((name) => !before.includes(name))).toHaveLength(1);
  });

  test.each([
    ['cannot be started', () => Promise.reject(new Error('no such program')), 'no such program'],
    ['ends as it starts', endsAtOnce, 'ended before it was ready'],
  ])('says of a program that it %s, once', async (_what, start, said) => {
    const { provider, ref } = await make({ spawn: start });
    await provider.setReplicas(ref, 1, spare, never);
    await provider.start(ref, never);
    const error = await until('the trouble', () =>
      provider.get(ref, never).then(
        () => undefined,
        (thrown: unknown) => thrown,
      ),
    );
    expect(error).toBeInstanceOf(ProviderTrouble);
    expect(String(error)).toContain(said);
    expect(await provider.get(ref, never)).toMatchObject({ replicas: 0 });
  });

  test('has room for so many and no more, and is content with that', async () => {
    const { provider, ref } = await make({ room: 2 });
    await provider.setReplicas(ref, 10, spare, never);
    await provider.start(ref, never);
    await until('two processes', () => running() === 2);
    expect(await provider.get(ref, never)).toMatchObject({ replicas: 10 });
    await provider.setReplicas(ref, 1, spare, never);
    await until('one process', () => running() === 1);
    expect(await provider.get(ref, never)).toMatchObject({ replicas: 1 });
  });

  test('that is closed ends all, also those that are about to start, and starts no more', async () => {
    const { provider, ref } = await make({ startAtOnce: 1 });
    await provider.setReplicas(ref, 4, spare, never);
    await provider.start(ref, never);
    await provider.close();
    expect(running()).toBe(0);
    await expect(provider.setReplicas(ref, 4, spare, never)).rejects.toBeInstanceOf(ProviderTrouble);
    expect(running()).toBe(0);
  });
});

/** A real program that ends by itself before it could have told that it is ready. */
async function endsAtOnce() {
  const child = spawn('false', { stdio: 'ignore' });
  return { ready: new Promise(() => undefined), ended: once(child, 'exit'), stop: () => Promise.resolve() };
}

function running(): number {
  return [...children.values()].filter(({ pid }) => processRuns(pid ?? 0)).length;
}
