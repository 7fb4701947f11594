import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createSaladProvider } from '../../../core/scaling/providers/salad.ts';
import { createProjectCheck } from '../../../server/salad/project.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { ADMIN_KEY } from '../../support/core.ts';
import { jobIn, problemIn, submission } from '../../support/rest.ts';
import { startSaladApi, type SaladApi } from '../../support/salad.ts';
import { startSaladGroups, type SaladGroups } from '../../support/salad-groups.ts';
import { until } from '../../support/until.ts';

/** A person's key is checked, and kept nowhere; what scales is the operator's. */
const PERSON_KEY = 'salad_cloud_user_of_a_person';
const OPERATOR_KEY = 'salad_cloud_user_of_the_operator';
const person = { 'Salad-Api-Key': PERSON_KEY, 'Salad-Organization': 'Acme', 'Salad-Project': 'lab' };
let doors: SaladApi;
let machines: SaladGroups;
let app: TestApp;
let group: SaladGroups['groups'][0];

beforeAll(async () => {
  [doors, machines] = await Promise.all([startSaladApi(), startSaladGroups(OPERATOR_KEY)]);
  doors.keys.set('acme/lab', new Set([PERSON_KEY]));
  doors.keys.set('acme/other', new Set([PERSON_KEY]));
  doors.keys.set('rivals/lab', new Set(['key-of-rivals']));
  app = await startTestApp({
    salad: { project: createProjectCheck({ apiUrl: doors.url }) },
    provider: createSaladProvider({ apiUrl: machines.url, apiKey: OPERATOR_KEY }),
  });
});
beforeEach(() => {
  const id = randomUUID();
  group = { id, name: `herd-${id}`, replicas: 1, status: 'stopped', instances: [] };
  machines.groups.push(group);
  machines.asked = [];
});
afterAll(async () => {
  await app.close();
  await Promise.all([doors.close(), machines.close()]);
});

async function rest(headers: Record<string, string>, method: string, path: string, body?: unknown) {
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
  const response = await fetch(`${app.url}${path}`, init);
  return { status: response.status, body: (await response.json()) as unknown };
}

const Explained = z.object({
  data: z.object({
    scalingRule: z.object({
      containerGroupName: z.string(),
      lastDecision: z.object({ wanted: z.int(), reason: z.string(), at: z.iso.datetime() }).nullable(),
      lastAnswer: z.object({ ok: z.boolean(), message: z.string(), at: z.iso.datetime() }).nullable(),
      nextActionAt: z.iso.datetime().nullable(),
      orphanedAt: z.iso.datetime().nullable(),
      decisions: z.array(
        z.object({ at: z.iso.datetime(), ok: z.boolean(), wanted: z.int().nullable(), message: z.string() }),
      ),
      scalingEvents: z.array(
        z.object({
          at: z.iso.datetime(),
          wanted: z.int().nullable(),
          reason: z.string().nullable(),
          ok: z.boolean(),
          message: z.string(),
        }),
      ),
    }),
  }),
});

/** What the rule's owner is told of it. */
async function explained() {
  const query = `query ($id: String!) { scalingRule(containerGroupId: $id) {
    containerGroupName lastDecision { wanted reason at } lastAnswer { ok message at } nextActionAt orphanedAt
    decisions: scalingEvents(first: 1, decisions: true) { at ok wanted message }
    scalingEvents(first: 10) { at wanted reason ok message } } }`;
  const headers = { ...person, 'Content-Type': 'application/json' };
  const { body } = await rest(headers, 'POST', '/graphql', { query, variables: { id: group.id } });
  return Explained.parse(body).data.scalingRule;
}

const rule = (part: object = {}) => ({ container_group_id: group.id, idle_threshold_seconds: 0, ...part });

describe('with credentials of Salad’s', () => {
  test('a rule is made, acts with the operator’s key where Salad has let the person in, and tells what it wants and does', async () => {
    const made = await rest(person, 'POST', '/scaling-rules', rule());
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ org_name: 'acme', project_name: 'lab', container_group_name: group.name });
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) {
      ids.push(jobIn((await rest(person, 'POST', '/jobs', submission({ container_group_id: group.id }))).body).id);
    }
    await until('the machines', () => group.replicas === 3 && group.status === 'deploying');
    const told = await until('the rule to say so', async () => {
      const now = await explained();
      return now.lastDecision?.wanted === 3 && now;
    });
    expect(told).toMatchObject({
      containerGroupName: group.name,
      lastDecision: { wanted: 3, reason: '3 = 3 pending' },
      lastAnswer: { ok: true, message: expect.stringMatching(/^was (STOPPED|RUNNING) with .*set to 3/) as string },
      orphanedAt: null,
    });
    // The next look at the latest: within a minute.
    const wait = Date.parse(told.nextActionAt ?? '') - Date.now();
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60_000);

    for (const id of ids) await rest(person, 'DELETE', `/jobs/${id}`);
    await until('the group to be stopped', () => group.status === 'stopped');
    const events = await until('the history of it', async () => {
      const { scalingEvents } = await explained();
      return scalingEvents[0]?.message.endsWith('stopped') && scalingEvents;
    });
    expect(events[0]).toMatchObject({
      wanted: 0,
      ok: true,
      reason: expect.stringMatching(/^0 = nothing pending/) as string,
    });
    expect(events.some(({ wanted, message }) => wanted === 3 && message.includes('set to 3'))).toBe(true);
    expect(events.map(({ at }) => at)).toEqual(
      events
        .map(({ at }) => at)
        .toSorted()
        .reverse(),
    );
    expect(machines.asked.length).toBeGreaterThan(0);
  });

  test('what the provider refuses is told, with the time of the next try', async () => {
    await rest(person, 'POST', '/scaling-rules', rule());
    machines.brokenAbout = group.name;
    try {
      await rest(person, 'POST', '/jobs', submission({ container_group_id: group.id }));
      const told = await until('the trouble', async () => {
        const now = await explained();
        // Before there was a job, no machine may have been wanted, and that been refused as well.
        return now.lastDecision?.reason === '1 = 1 pending' && now.lastAnswer?.ok === false && now;
      });
      expect(told.lastAnswer?.message).toBe('Salad answered with status 500');
      const refusal = { ok: false, wanted: 1, message: 'Salad answered with status 500' };
      expect(told.scalingEvents[0]).toMatchObject(refusal);
      expect(told.decisions.filter(({ wanted }) => wanted !== 0)).toMatchObject([refusal]);
      expect(Date.parse(told.nextActionAt ?? '')).toBeGreaterThan(Date.parse(told.lastAnswer?.at ?? ''));
    } finally {
      machines.brokenAbout = undefined;
    }
  });

  test('a group of another organization, or of another project, is not there', async () => {
    const rivals = { 'Salad-Api-Key': 'key-of-rivals', 'Salad-Organization': 'rivals', 'Salad-Project': 'lab' };
    for (const headers of [rivals, { ...person, 'Salad-Project': 'other' }]) {
      const { status, body } = await rest(headers, 'POST', '/scaling-rules', rule());
      expect([status, problemIn(body).detail]).toEqual([400, expect.stringContaining('no container group')]);
    }
  });
});

describe('with a key of ours', () => {
  const key = (secret: string) => ({ 'X-Kelpie-Key': secret });
  const token = (accountId: string, body: object) => rest(key(ADMIN_KEY), 'POST', `/users/${accountId}/token`, body);

  test('an owner makes no key for an organization of others, over no face of the API', async () => {
    const { viewer, secret } = await app.account();
    const query = `mutation ($org: String) { createApiKey(role: OWNER, orgName: $org) { __typename ... on Failure { code } } }`;
    const { data } = await app.graphql(secret, query, { org: 'acme' });
    expect(data?.createApiKey).toMatchObject({ __typename: 'Forbidden', code: 'FORBIDDEN' });
    const own = await rest(key(secret), 'POST', `/users/${viewer.accountId}/token`, { org_name: 'acme' });
    expect(own.status).toBe(403);
    const { status, body } = await rest(key(secret), 'POST', '/scaling-rules', rule());
    expect([status, problemIn(body).detail]).toEqual([400, expect.stringContaining('is not known')]);
  });

  test('that the admin has made for a project, rules are made there; for names that are none, no key is made', async () => {
    const { viewer } = await app.account();
    const refused = await token(viewer.accountId, { org_name: '../rivals', project_name: 'lab' });
    expect([refused.status, JSON.stringify(refused.body)]).toEqual([400, expect.stringContaining('/org_name')]);
    const made = await token(viewer.accountId, { org_name: 'Acme', project_name: 'lab' });
    const secret = z.object({ token: z.string() }).parse(made.body).token;
    const first = await rest(key(secret), 'POST', '/scaling-rules', rule());
    expect([first.status, first.body]).toEqual([
      201,
      expect.objectContaining({ org_name: 'acme', project_name: 'lab' }),
    ]);
    // The organization's own account may act there as well, but a group is scaled by one rule.
    const second = await rest(person, 'POST', '/scaling-rules', rule());
    expect([second.status, problemIn(second.body).detail]).toEqual([
      409,
      expect.stringContaining('Another scaling rule'),
    ]);
  });
});
