import { afterAll, describe, expect, test } from 'vitest';
import { startTestApp } from '../support/app.ts';
import { ask, claimed, mutate, registered, submitted } from '../support/graphql.ts';

const app = await startTestApp();
afterAll(() => app.close());
const { secret: key } = await app.account();
const { secret: stranger } = await app.account();

/** A job of its own group that has completed. */
async function completed(): Promise<string> {
  const containerGroupId = `group of ${Math.random()}`;
  const id = await submitted(app, key, { containerGroupId });
  const agent = await registered(app, key, 'machine', containerGroupId);
  await mutate(app, key, 'completeAttempt', await claimed(app, key, agent));
  return id;
}

describe('cancelJob', () => {
  test('cancels a pending job, and again is fine', async () => {
    const id = await submitted(app, key);
    for (let time = 0; time < 2; time++) {
      expect(await mutate(app, key, 'cancelJob', id)).toMatchObject({ __typename: 'Job', id, status: 'CANCELED' });
    }
  });

  test('of a completed job is a Conflict that says so', async () => {
    const refused = await mutate(app, key, 'cancelJob', await completed());
    expect(refused).toMatchObject({ __typename: 'Conflict', code: 'CONFLICT' });
    expect(refused.message).toContain('completed');
  });

  test('of another account’s job, or of none, is NotFound', async () => {
    const id = await submitted(app, key);
    expect(await mutate(app, stranger, 'cancelJob', id)).toMatchObject({ __typename: 'NotFound', code: 'NOT_FOUND' });
    expect(await mutate(app, key, 'cancelJob', 'nothing')).toMatchObject({ __typename: 'NotFound' });
    expect(await ask(app, key, `{ job(id: "${id}") { status } }`)).toEqual({ status: 'PENDING' });
  });
});

describe('retryJob', () => {
  test('makes a canceled job pending again', async () => {
    const id = await submitted(app, key);
    await mutate(app, key, 'cancelJob', id);
    expect(await mutate(app, key, 'retryJob', id)).toEqual({ __typename: 'Job', id, status: 'PENDING' });
  });

  test('of a job that has not failed and was not canceled is a Conflict', async () => {
    const pending = await submitted(app, key);
    for (const id of [pending, await completed()]) {
      expect(await mutate(app, key, 'retryJob', id)).toMatchObject({ __typename: 'Conflict', code: 'CONFLICT' });
    }
  });

  test('of another account’s job, or of none, is NotFound', async () => {
    const id = await submitted(app, key);
    await mutate(app, key, 'cancelJob', id);
    expect(await mutate(app, stranger, 'retryJob', id)).toMatchObject({ __typename: 'NotFound' });
    expect(await mutate(app, key, 'retryJob', 'nothing')).toMatchObject({ __typename: 'NotFound' });
  });
});
