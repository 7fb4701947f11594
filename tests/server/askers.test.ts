import { parse } from 'graphql';
import { expect, test } from 'vitest';
import { isWork } from '../../server/askers.ts';

const work = (query: string) => isWork({ document: parse(query) });

test('an agent that asks whether anybody hears it waits for nobody', () => {
  expect(work('query Viewer { viewer { accountId role } }')).toBe(true);
  expect(work('query Viewer { viewer { __typename } }')).toBe(true);
});

test('whoever asks for more waits like others', () => {
  for (const query of [
    '{ viewer { webhookKey } }',
    '{ viewer { ...A } } fragment A on Viewer { webhookKey }',
    '{ viewer { role } jobs(first: 1) { nodes { id } } }',
    '{ agents(first: 1) { nodes { id } } }',
    '{ ...A } fragment A on Query { viewer { role } }',
  ]) {
    expect(work(query), query).toBe(false);
  }
});
