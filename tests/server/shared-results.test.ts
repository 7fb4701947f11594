import {
  GraphQLBoolean,
  GraphQLInt,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
} from 'graphql';
import { createYoga } from 'graphql-yoga';
import { describe, expect, test } from 'vitest';
import type { Viewer } from '../../core/accounts/keys.ts';
import { createTurns } from '../../core/fair-share.ts';
import type { Context } from '../../schema/index.ts';
import { shared } from '../../schema/shared.ts';
import { countWhatIsTold } from '../../schema/told.ts';
import { createExecutionPlaces } from '../../server/execution-places.ts';
import { fairOperations } from '../../server/fair-operations.ts';
import { createFairSteps } from '../../server/fair-steps.ts';
import { defaultLimits } from '../../server/limits.ts';
import { sharedResults } from '../../server/shared-results.ts';
import { until } from '../support/until.ts';

let executions = 0;
/** What those who look something up wait for, before they ask for a turn at the database. */
let gate = Promise.withResolvers<undefined>();
const turns = createTurns(10);
/** What all are told now. */
let told = { number: 1 };
const Told = new GraphQLObjectType<typeof told, { viewer: Viewer }>({
  name: 'Told',
  fields: {
    number: {
      type: GraphQLInt,
      resolve: ({ number }) => {
        executions += 1;
        return number;
      },
    },
    long: { type: GraphQLString, resolve: () => 'x'.repeat(LONG) },
    secret: { type: GraphQLString, resolve: (_told, _args, { viewer }) => (viewer.role === 'OWNER' ? 'x' : null) },
    lookedUp: {
      type: GraphQLInt,
      resolve: async ({ number }) => {
        executions += 1;
        await gate.promise;
        (await turns.take())?.giveBack();
        return number;
      },
    },
    echo: { type: GraphQLInt, args: { n: { type: GraphQLInt } }, resolve: (_told, { n }: { n?: number }) => n },
  },
});

async function* once(one: unknown) {
  await Promise.resolve();
  yield one;
}
const follow = { type: Told, args: { after: { type: GraphQLInt } }, resolve: (one: unknown) => one };
const LONG = 400_000;
const schema = countWhatIsTold(
  new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { is: { type: GraphQLBoolean } } }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: {
        same: { ...follow, ...shared, subscribe: () => once(told) },
        fresh: { ...follow, ...shared, subscribe: () => once({ ...told }) },
        alone: { ...follow, subscribe: () => once(told) },
      },
    }),
  }),
);
const places = createExecutionPlaces();
const yoga = createYoga<{ viewer: Viewer; gone?: AbortSignal }, Context>({
  schema,
  plugins: [sharedResults(createFairSteps(defaultLimits, places)), fairOperations(defaultLimits, places)],
  logging: false,
});

const owner: Viewer = { accountId: 'a', keyId: '1', role: 'OWNER', isAdmin: false };

/** What `getEnveloped` gives: Yoga types it loosely. */
interface Enveloped {
  parse: (source: string) => DocumentNode;
  contextFactory: () => Promise<unknown>;
  subscribe: (args: ExecutionArgs) => Promise<AsyncIterable<ExecutionResult>>;
}

/** What one who asks is told first. */
async function first(
  query: string,
  {
    viewer = owner,
    variables = {},
    gone,
  }: { viewer?: Viewer; variables?: Record<string, unknown>; gone?: AbortSignal } = {},
) {
  const { parse, subscribe, contextFactory } = yoga.getEnveloped({ viewer, ...(gone && { gone }) }) as Enveloped;
  const args = { schema, document: parse(query), contextValue: await contextFactory(), variableValues: variables };
  const results = await subscribe(args);
  for await (const { data, errors } of results) return { data, errors };
  throw new Error('Expected a result, got none');
}

/** How often the told object was looked at by those who ask. */
async function executionsOf(...asked: Parameters<typeof first>[]): Promise<number> {
  told = { number: told.number + 1 };
  const before = executions;
  for (const each of asked) expect((await first(...each)).errors).toBeUndefined();
  return executions - before;
}

/** How many are told in one turn of the event loop, turn by turn. */
async function toldByTurn(names: readonly string[], query: string): Promise<string[][]> {
  const byTurn: string[][] = [];
  let isOver = false;
  const all = Promise.all(
    names.map(async (accountId) => {
      expect((await first(query, { viewer: { ...owner, accountId } })).errors).toBeUndefined();
      byTurn.at(-1)?.push(accountId);
    }),
  ).finally(() => (isOver = true));
  while (!isOver) {
    byTurn.push([]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  return byTurn.filter((turn) => turn.length > 0);
}

test.each(['same', 'alone'])(
  'what is long is told to a few in one turn of the event loop, %s or not, and accounts take turns',
  async (name) => {
    const turnsOfAll = await toldByTurn(
      [...Array<string>(20).fill('flood'), 'quiet'],
      `subscription { ${name} { long } }`,
    );
    expect(Math.max(...turnsOfAll.map((turn) => turn.length))).toBe(Math.floor(1_048_576 / LONG));
    expect(turnsOfAll.findIndex((turn) => turn.includes('quiet'))).toBeLessThan(3);
    expect(turnsOfAll.flat().length).toBe(21);
    expect((await toldByTurn(['a', 'a', 'a', 'a'], `subscription { ${name} { number } }`)).length).toBe(1);
  },
);

describe('of those who are told the same object', () => {
  test('one has it executed, whoever they are and wherever they began', async () => {
    const query = 'subscription A($after: Int) { same(after: $after) { number } }';
    const others = { viewer: { ...owner, keyId: '2', until: 5 }, variables: { after: 2 } };
    expect(await executionsOf([query], [query, others], [query])).toBe(1);
  });

  test('the others have it by themselves where the subscription does not say so, or objects are their own', async () => {
    expect(await executionsOf(['subscription { alone { number } }'], ['subscription { alone { number } }'])).toBe(2);
    expect(await executionsOf(['subscription { fresh { number } }'], ['subscription { fresh { number } }'])).toBe(2);
  });

  test.each([
    ['role', { ...owner, role: 'VIEWER' }],
    ['account', { ...owner, accountId: 'b' }],
    ['admin', { ...owner, isAdmin: true }],
    ['machine', { ...owner, bound: { machineId: 'm', containerGroupId: 'g' } }],
  ] as const)('nobody is shown what another %s is shown', async (_, viewer: Viewer) => {
    const query = 'subscription { same { number secret } }';
    expect(await executionsOf([query], [query, { viewer }])).toBe(2);
    expect((await first(query, { viewer })).data).toEqual({
      same: { number: told.number, secret: viewer.role === 'OWNER' ? 'x' : null },
    });
  });

  test('the others are told also when the first, for whom it was executed, has hung up', async () => {
    gate = Promise.withResolvers();
    const query = 'subscription { same { lookedUp } }';
    const leaving = new AbortController();
    const before = executions;
    const followers = [first(query, { gone: leaving.signal }), first(query)];
    await until('it to be executed', () => executions > before);
    leaving.abort();
    gate.resolve(undefined);
    const result = { data: { same: { lookedUp: told.number } }, errors: undefined };
    expect(await Promise.all(followers)).toEqual([result, result]);
    expect(executions).toBe(before + 1);
  });

  test('another document, operation or variable is another result', async () => {
    const query = 'subscription ($n: Int = 3) { same { echo(n: $n) } }';
    const echoes = [{ n: 1 }, { n: 2 }, { n: null }, {}].map(
      async (variables) => (await first(query, { variables })).data,
    );
    expect(await Promise.all(echoes)).toEqual([1, 2, null, 3].map((echo) => ({ same: { echo } })));
    expect((await first('subscription { same { twice: number } }')).data).toEqual({ same: { twice: told.number } });
  });
});
