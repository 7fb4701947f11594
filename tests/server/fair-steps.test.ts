import {
  buildSchema,
  parse,
  validateSubscriptionArgs,
  type ExecutionResult,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import type { Viewer } from '../../core/accounts/keys.ts';
import { createExecutionPlaces } from '../../server/execution-places.ts';
import { createFairSteps } from '../../server/fair-steps.ts';
import { defaultLimits } from '../../server/limits.ts';

const schema = buildSchema(`
  type Query { is: Boolean }
  type Subscription { told(id: ID): Told! agentSignals(agentId: ID): Told! }
  type Told { number: Int! within: Told list(first: Int): [Int!] }
`);
const told = { number: 1, list: () => [1], within: { number: 2, list: () => [2] } };
const viewer: Viewer = { accountId: 'a', keyId: 'k', role: 'OWNER', isAdmin: false };

function valid(query: string, gone?: AbortSignal): ValidatedSubscriptionArgs {
  const args = validateSubscriptionArgs({ schema, document: parse(query), contextValue: { viewer, gone } });
  if ('schema' in args) return args;
  throw new Error(`Expected an operation, got ${JSON.stringify(args)}`);
}

/** Eight operations of the account: it gets no more places until they are over. */
function taken(places: ReturnType<typeof createExecutionPlaces>, accountId = viewer.accountId) {
  const over = Promise.withResolvers<ExecutionResult>();
  const all = Array.from({ length: 8 }, () => places.hold({ accountId, keyId: 'k' }, () => over.promise));
  return async () => {
    over.resolve({});
    await Promise.all(all);
  };
}

describe('a step of a subscription', () => {
  test.each([
    ['its own', false],
    ['shared', true],
  ])('that is %s waits for a place of its account where it looks up lists, and not otherwise', async (_, isShared) => {
    const places = createExecutionPlaces();
    const stepsOf = createFairSteps(defaultLimits, places);
    const giveBack = taken(places);
    const plain = valid('subscription { told(id: 1) { number within { number } } }');
    expect(stepsOf(plain, isShared)({ ...plain, rootValue: { told } })).toEqual({
      data: { told: { number: 1, within: { number: 2 } } },
    });

    const lists = valid('subscription { told { ...A } } fragment A on Told { within { list } }');
    let isExecuted = false;
    const step = Promise.resolve(stepsOf(lists, isShared)({ ...lists, rootValue: { told } })).finally(
      () => (isExecuted = true),
    );
    await places.hold({ accountId: 'other', keyId: 'k' }, () => ({}));
    expect(isExecuted).toBe(false);
    await giveBack();
    expect(await step).toEqual({ data: { told: { within: { list: [2] } } } });
  });

  test('waits for its place however long that takes, as it may be the last one; an operation does not', async () => {
    const places = createExecutionPlaces({ patienceMs: 1 });
    const giveBack = taken(places);
    const lists = valid('subscription { told { list } }');
    const step = createFairSteps(defaultLimits, places)(lists, true)({ ...lists, rootValue: { told } });
    expect(await places.hold({ accountId: viewer.accountId, keyId: 'k' }, () => ({}))).toMatchObject({
      errors: [{ extensions: { code: 'RATE_LIMITED' } }],
    });
    await giveBack();
    expect(await step).toEqual({ data: { told: { list: [1] } } });
  });

  test('leaves its place to others when who follows alone has gone', async () => {
    const places = createExecutionPlaces();
    const giveBack = taken(places);
    const leaving = new AbortController();
    const lists = valid('subscription { told { list } }', leaving.signal);
    const step = createFairSteps(defaultLimits, places)(lists, false)({ ...lists, rootValue: { told } });
    leaving.abort();
    expect(await step).toMatchObject({ errors: [{ message: 'Who asked has hung up before it was executed' }] });
    await giveBack();
  });

  test('that tells an agent what to do waits for nobody', async () => {
    const places = createExecutionPlaces();
    const giveBack = taken(places);
    const signals = valid('subscription { agentSignals { number } }');
    const step = createFairSteps(defaultLimits, places)(signals, false);
    expect(step({ ...signals, rootValue: { agentSignals: told } })).toEqual({ data: { agentSignals: { number: 1 } } });
    await giveBack();
  });
});
