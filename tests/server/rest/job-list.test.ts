import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { Viewer } from '../../../core/accounts/keys.ts';
import { submitJobs } from '../../../core/jobs/submit.ts';
import { createBodies } from '../../../server/bodies.ts';
import { createExecutionPlaces } from '../../../server/execution-places.ts';
import { defaultLimits } from '../../../server/limits.ts';
import { createRest } from '../../../server/rest/index.ts';
import { openTestCore, spec } from '../../support/core.ts';
import { pageIn, problemIn } from '../../support/rest.ts';

const fixture = await openTestCore();
afterAll(() => fixture.close());

/** More than one part of a list has. */
const MANY = 70;

/** A REST layer for one account's list, and its places, of which the account may have eight. */
async function listing(places = createExecutionPlaces()) {
  const { viewer } = await fixture.account();
  await submitJobs(fixture.core, viewer, Array(MANY).fill(spec()));
  const faults: string[] = [];
  const rest = createRest({
    core: fixture.core,
    viewerOf: () => Promise.resolve(viewer),
    callerOf: () => Promise.reject(new Error('Nobody reports')),
    ready: () => Promise.resolve(),
    log: { error: (_, message) => void faults.push(message) },
    stopping: new AbortController().signal,
    bodies: createBodies(defaultLimits),
    places,
  });
  const list = async (init?: RequestInit) => rest.fetch(new Request('http://here/jobs?page_size=1000', init));
  const take = async (by: Viewer = viewer) => {
    const taken = await Promise.all(Array.from({ length: 8 }, () => places.take(by)));
    let isGivenBack = false;
    const giveBack = (): void => {
      if (!isGivenBack) for (const one of taken) one();
      isGivenBack = true;
    };
    onTestFinished(giveBack);
    return giveBack;
  };
  return { list, take, faults };
}

test('a list waits for its turn among what its account has executed, and others need not', async () => {
  const places = createExecutionPlaces();
  const { list, take } = await listing(places);
  const { list: listOfOther } = await listing(places);
  const giveBack = await take();
  let isAnswered = false;
  const answer = list().finally(() => (isAnswered = true));
  expect((await listOfOther()).status).toBe(200);
  expect(isAnswered).toBe(false);
  giveBack();
  expect(pageIn(await (await answer).json())._count).toBe(MANY);
});

test('one that waits in vain is told to come again, and whoever hangs up meanwhile is no fault', async () => {
  const { list, take, faults } = await listing(createExecutionPlaces({ patienceMs: 1 }));
  await take();
  const refused = await list();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect(problemIn(await refused.json()).detail).toContain('Others were before this one');
  const { list: patient, take: takeAll, faults: faultsOfPatient } = await listing();
  await takeAll();
  const leaving = new AbortController();
  const left = patient({ signal: leaving.signal });
  leaving.abort();
  await left;
  expect([...faults, ...faultsOfPatient]).toEqual([]);
});

test('one that has begun goes on however long others take, and none of it is made before its reader wants it', async () => {
  const { list, take, faults } = await listing(createExecutionPlaces({ patienceMs: 1 }));
  const body = (await list()).body?.getReader();
  if (body === undefined) throw new Error('Expected a body');
  const texts: string[] = [];
  const read = async (): Promise<boolean> => {
    const { done, value } = await body.read();
    if (value !== undefined) texts.push(Buffer.from(value).toString());
    return done;
  };
  await read();
  await read();
  // The list holds no place while its reader takes its time.
  const giveBack = await take();
  const rest = read();
  // Whoever comes later waits in vain.
  expect((await list()).status).toBe(429);
  giveBack();
  await rest;
  while (!(await read()));
  expect(pageIn(JSON.parse(texts.join('')))._count).toBe(MANY);
  expect(faults).toEqual([]);
});
