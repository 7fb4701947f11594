import { GraphQLError, parse } from 'graphql';
import { expect, test } from 'vitest';
import { createHeldOperations, type HeldOperation } from '../../server/held-operations.ts';
import { defaultLimits } from '../../server/limits.ts';

function operation(query: string, bytes = 0): HeldOperation {
  return { id: '1', params: { query, variables: { text: 'x'.repeat(bytes) } }, document: parse(query) };
}

const following = 'subscription { jobEvents { __typename } }';

test('what one account follows is bounded by number, and who ends makes room', () => {
  const held = createHeldOperations(defaultLimits, { mostFollowed: 2 });
  const first = held.hold('a', operation(following));
  expect(held.hold('a', operation(following))).toBeTypeOf('function');
  expect(held.hold('a', operation(following))).toMatchObject({ extensions: { code: 'RATE_LIMITED' } });
  expect(held.hold('b', operation(following))).toBeTypeOf('function');
  // An agent's signals are as many as its fleet has agents.
  expect(held.hold('a', operation('subscription { agentSignals(agentId: "x") { type } }'))).toBeTypeOf('function');
  expect(held.hold('a', operation('{ viewer { role } }'))).toBeTypeOf('function');
  if (first instanceof GraphQLError) throw new Error('Expected a place');
  first();
  first();
  expect(held.hold('a', operation(following))).toBeTypeOf('function');
  expect(held.hold('a', operation(following))).toBeInstanceOf(GraphQLError);
});

test('what came with operations counts until they are over, but what an agent says', () => {
  const held = createHeldOperations({ ...defaultLimits, KELPIE_MAX_ACCOUNT_BODIES_BYTES: 100_000 });
  const large = [following, '{ viewer { role } }', 'subscription { agentSignals(agentId: "x") { type } }'];
  for (const query of large) {
    const end = held.hold('a', operation(query, 80_000));
    if (end instanceof GraphQLError) throw end;
    for (const other of large) {
      expect(held.hold('a', operation(other, 80_000))).toMatchObject({ extensions: { code: 'RATE_LIMITED' } });
      expect(held.hold('a', operation(other))).toBeTypeOf('function');
    }
    const report = 'mutation ($input: AppendLogsInput!) { appendLogs(input: $input) { __typename } }';
    expect(held.hold('a', operation(report, 130_000))).toBeTypeOf('function');
    end();
  }
});
