import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { expect, test } from 'vitest';
import { GroupNotFound, type GroupRef, type Provider, ProviderTrouble } from '../../../../core/scaling/provider.ts';
import { until } from '../../../support/until.ts';

/** A provider, and one group of it that is stopped. */
export interface Subject {
  provider: Provider;
  ref: GroupRef;
  /** Makes its machines come up, where that takes somebody else. */
  machines?: (count: number) => void;
}

/** One that is asked over HTTP, of a server of the tests that does as its reference has it. */
export interface RemoteSubject extends Subject {
  server: { asked: string[]; answer: RequestListener | undefined; answersLeft: number };
}

const spare = { busy: new Set<string>() };
const never = new AbortController().signal;

type Verb = (provider: Provider, ref: GroupRef, signal: AbortSignal) => Promise<unknown>;

const verbs: [name: string, Verb][] = [
  ['get', (provider, ref, signal) => provider.get(ref, signal)],
  ['start', (provider, ref, signal) => provider.start(ref, signal)],
  ['stop', (provider, ref, signal) => provider.stop(ref, spare, signal)],
  ['setReplicas', (provider, ref, signal) => provider.setReplicas(ref, 2, spare, signal)],
  ['instances', (provider, ref, signal) => provider.instances(ref, signal)],
];

/** What every provider does alike. Each test has a subject of its own. */
export function behavesAsProvider(make: () => Promise<Subject>): void {
  test.each(verbs)('a group it does not know is not found: %s', async (_name, verb) => {
    const { provider, ref } = await make();
    const unknown = { ...ref, containerGroupId: randomUUID() };
    await expect(verb(provider, unknown, never)).rejects.toBeInstanceOf(GroupNotFound);
  });

  test('a group keeps its identity, which no other has', async () => {
    const [one, other] = [await make(), await make()];
    const identity = async ({ provider, ref }: Subject) => (await provider.get(ref, never)).identity;
    const before = await identity(one);
    await one.provider.setReplicas(one.ref, 1, spare, never);
    await one.provider.start(one.ref, never);
    expect(await identity(one)).toBe(before);
    expect(await identity(other)).not.toBe(before);
  });

  test('a stopped group is given a size, is started, and stopped again; each verb twice is as once', async () => {
    const { provider, ref, machines } = await make();
    expect(await provider.get(ref, never)).toMatchObject({ status: 'STOPPED' });
    for (let twice = 0; twice < 2; twice++) await provider.setReplicas(ref, 3, spare, never);
    for (let twice = 0; twice < 2; twice++) await provider.start(ref, never);
    expect(await provider.get(ref, never)).toMatchObject({ status: 'RUNNING', replicas: 3 });
    await provider.setReplicas(ref, 5, spare, never);
    expect(await provider.get(ref, never)).toMatchObject({ status: 'RUNNING', replicas: 5 });
    machines?.(5);
    await until('five machines', async () => (await provider.instances(ref, never)).length === 5);
    await provider.setReplicas(ref, 2, spare, never);
    expect(await provider.get(ref, never)).toMatchObject({ status: 'RUNNING', replicas: 2 });
    for (let twice = 0; twice < 2; twice++) await provider.stop(ref, spare, never);
    expect(await provider.get(ref, never)).toMatchObject({ status: 'STOPPED' });
  });

  test('a machine is given up, and one that is gone already is fine', async () => {
    const { provider, ref, machines } = await make();
    await provider.setReplicas(ref, 2, spare, never);
    await provider.start(ref, never);
    machines?.(2);
    const instances = await until('two machines', async () => {
      const all = await provider.instances(ref, never);
      return all.length === 2 && all.every(({ machineId, isRunning }) => machineId !== null && isRunning) && all;
    });
    const [doomed, kept] = [instances[0]!, instances[1]!];
    for (let twice = 0; twice < 2; twice++) await provider.reallocate(ref, doomed, never);
    const left = (await provider.instances(ref, never)).map(({ machineId }) => machineId);
    expect(left).not.toContain(doomed.machineId);
    expect(left).toContain(kept.machineId);
  });
}

/** What every provider does alike that is asked over HTTP. @param make of a provider that waits for each answer so long at most */
export function behavesOverHttp(make: (options: { timeLimitMs?: number }) => Promise<RemoteSubject>): void {
  test.each(verbs)('each answer has a time limit, and silence is trouble: %s', async (_name, verb) => {
    const { provider, ref, server } = await make({});
    // How many questions it takes is the provider's own affair.
    server.asked.length = 0;
    await verb(provider, ref, never);
    const questions = server.asked.length;
    for (let answered = 0; answered < questions; answered++) {
      const again = await make({ timeLimitMs: 100 });
      server.answersLeft = answered;
      await expect(verb(again.provider, again.ref, never)).rejects.toBeInstanceOf(ProviderTrouble);
      server.answersLeft = Infinity;
    }
    expect(questions).toBeGreaterThan(0);
  });

  test.each(verbs)('who does not want to wait any longer breaks it off: %s', async (_name, verb) => {
    const { provider, ref, server } = await make({});
    server.asked.length = 0;
    server.answersLeft = 0;
    const impatience = new AbortController();
    const asked = verb(provider, ref, impatience.signal);
    const refused = expect(asked).rejects.toBeInstanceOf(ProviderTrouble);
    await until('the question', () => server.asked.length > 0);
    impatience.abort(new Error('no longer'));
    await refused;
  });

  test.each([
    [429, '7', 7_000],
    [503, '3', 3_000],
    [500, undefined, undefined],
    [403, undefined, undefined],
  ])(
    'status %d with Retry-After %s is trouble that asks for %s ms of rest',
    async (status, retryAfter, retryAfterMs) => {
      const { provider, ref, server } = await make({});
      server.answer = (_request, response) => {
        const headers = { 'Content-Type': 'application/json', ...(retryAfter && { 'Retry-After': retryAfter }) };
        response.writeHead(status, headers).end('{}');
      };
      const error: unknown = await provider.get(ref, never).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ProviderTrouble);
      expect(error).toMatchObject({
        message: expect.stringContaining(`answered with status ${status}`) as string,
        retryAfterMs,
      });
    },
  );

  test('status 404 means that the group is not there', async () => {
    const { provider, ref, server } = await make({});
    server.answer = (_request, response) => {
      response.writeHead(404, { 'Content-Type': 'application/json' }).end('{}');
    };
    await expect(provider.get(ref, never)).rejects.toBeInstanceOf(GroupNotFound);
  });
}
