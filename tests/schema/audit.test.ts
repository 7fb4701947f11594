import { afterAll, expect, test } from 'vitest';
import { startTestApp } from '../support/app.ts';
import { ask, refusal } from '../support/graphql.ts';

const app = await startTestApp();
afterAll(() => app.close());
const EVENTS = `query ($after: String) { auditEvents(first: 1, after: $after) {
  nodes { action keyId data accountId } pageInfo { hasNextPage endCursor } } }`;

test('auditEvents shows an owner what was done in the account, page by page, and others nothing', async () => {
  const { secret, viewer } = await app.account('OWNER', 'audited');
  const agent = await app.account('AGENT', 'audited');
  const first = await ask(app, secret, EVENTS);
  const data = { keyId: viewer.keyId, role: 'OWNER' };
  expect(first.nodes).toEqual([{ action: 'KEY_CREATED', keyId: null, data, accountId: viewer.accountId }]);
  const { hasNextPage, endCursor } = first.pageInfo as { hasNextPage: boolean; endCursor: string };
  expect(hasNextPage).toBe(true);
  const second = await ask(app, secret, EVENTS, { after: endCursor });
  expect(second).toMatchObject({ nodes: [{ data: { keyId: agent.viewer.keyId } }], pageInfo: { hasNextPage: false } });
  expect((await refusal(app, agent.secret, EVENTS)).extensions).toEqual({ code: 'FORBIDDEN' });
  const stranger = await app.account();
  expect(JSON.stringify(await ask(app, stranger.secret, EVENTS))).not.toContain(viewer.accountId);
});
