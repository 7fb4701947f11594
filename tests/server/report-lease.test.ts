import { expect, test } from 'vitest';
import * as documents from '../../agent/generated/graphql.ts';
import { leaseOfReport } from '../../server/report-lease.ts';

const jobId = 'b8bd9ad8-8f4e-4d2b-9b4c-2f0d1f1b7a11';
const variables = { input: { jobId, attempt: 1 } };

test.each(['HeartbeatDocument', 'CompleteAttemptDocument', 'FailAttemptDocument', 'ReleaseAttemptDocument'] as const)(
  'an agent’s %s is about its attempt',
  (name) => {
    expect(leaseOfReport({ query: documents[name].toString(), variables })).toEqual({ jobId, attempt: 1 });
  },
);

test.each<[string, string | undefined, Record<string, unknown> | undefined]>([
  ['an agent’s other documents', documents.ClaimJobDocument.toString(), variables],
  ['one that reads', 'query ($input: X) { heartbeat(input: $input) { x } }', variables],
  [
    'one that does something else besides',
    'mutation ($input: X) { heartbeat(input: $input) { x } submitJob { x } }',
    variables,
  ],
  [
    'one that does it under another name',
    'mutation ($input: X) { heartbeat: submitJob(input: $input) { x } }',
    variables,
  ],
  ['one of several', 'mutation A($input: X) { heartbeat(input: $input) { x } } query B { jobs { x } }', variables],
  ['one with fragments', 'mutation ($input: X) { heartbeat(input: $input) { ...x } } fragment x on Y { z }', variables],
  ['one that hides in a fragment', 'mutation { ... { submitJob { x } } }', variables],
  ['one with its input elsewhere', 'mutation ($other: X) { heartbeat(input: $other) { x } }', variables],
  ['one without variables', documents.HeartbeatDocument.toString(), undefined],
  ['one whose job is none', documents.HeartbeatDocument.toString(), { input: { jobId: 'x', attempt: 1 } }],
  ['one that is no document', 'mutation {', variables],
  ['one that is long', `${documents.HeartbeatDocument.toString()}${' '.repeat(2_000)}`, variables],
  ['nothing', undefined, variables],
])('%s is counted like any other', (_, query, given) => {
  expect(leaseOfReport({ query, variables: given })).toBeUndefined();
});
