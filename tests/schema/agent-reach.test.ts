import { randomUUID } from 'node:crypto';
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
} from 'graphql';
import { afterAll, expect, test } from 'vitest';
import { createKey } from '../../core/accounts/keys.ts';
import { schema } from '../../schema/index.ts';
import { startTestApp } from '../support/app.ts';
import { registered, submitted } from '../support/graphql.ts';

/** What a key of the role AGENT may call, and is shown by it. Whoever adds a field has to decide, here, whether an agent needs it. */

const app = await startTestApp();
afterAll(() => app.close());
const { secret: owner, viewer } = await app.account();
const { secret: agent } = await createKey(app.core, { accountId: viewer.accountId, role: 'AGENT' });

const CALLS = new Set([
  ...['Query.viewer', 'Subscription.agentSignals'],
  ...['registerAgent', 'claimJob', 'heartbeat', 'appendLogs', 'completeAttempt', 'failAttempt', 'releaseAttempt'].map(
    (name) => `Mutation.${name}`,
  ),
]);

/** Of each type that such a call can answer with: what an agent is shown, and what is for who may read. */
const REACH: Record<string, { shown: string; readers?: string }> = {
  Viewer: { shown: 'accountId role isAdmin', readers: 'webhookKey' },
  Agent: {
    shown:
      'id machineId containerGroupId sessionId version hardware gpuUse gpuUseAt drainingAt registeredAt reconnectGraceMillis lastSeenAt',
    readers: 'state jobs',
  },
  AgentHardware: { shown: 'cpus cpuModel memoryBytes diskBytes diskFreeBytes gpus all' },
  Gpu: { shown: 'index name memoryBytes driverVersion' },
  GpuUse: { shown: 'index utilization memoryUsedBytes' },
  AgentSignal: { shown: 'type jobId attempt' },
  Claim: { shown: 'job attempt leaseMillis traceParent' },
  NoWork: { shown: 'retryAfterMillis signal' },
  Lease: { shown: 'leaseMillis directive' },
  AppendedLogs: { shown: 'nextOffset' },
  Job: {
    shown:
      'id name status command arguments environment containerGroupId sync legacySync compression priority labels maxFailures ' +
      'maxInterruptions timeoutSeconds stallTimeoutSeconds heartbeatInterval numFailures numInterruptions numSyncFailures createdAt ' +
      'startedAt completedAt canceledAt failedAt',
    readers:
      'statusReason webhook numHeartbeats heartbeatAt lastCheckpointAt syncLagSeconds machineId progress attempt bans runSeconds ' +
      'attempts events webhookDeliveries logs',
  },
  Sync: { shown: 'before during after' },
  SyncEntry: { shown: 'bucket prefix localPath direction pattern patternSyntax' },
  LegacySync: { shown: 'inputBucket inputPrefix checkpointBucket checkpointPrefix outputBucket outputPrefix' },
  Attempt: {
    shown:
      'number machineId phase outcome reason exitCode signal startedAt endedAt bytesDownloaded bytesUploaded filesDownloaded filesUploaded',
    readers: 'agent',
  },
  LeaseLost: { shown: 'code message canceled' },
  InvalidInput: { shown: 'code message issues' },
  InputIssue: { shown: 'path message' },
  Forbidden: { shown: 'code message' },
  NotFound: { shown: 'code message' },
};

const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(
  (type) => type !== null && type !== undefined,
);
const operations = roots.flatMap((root) =>
  Object.values(root.getFields()).map((field) => ({ root: root.name, field, name: `${root.name}.${field.name}` })),
);

test('every operation that is not an agent’s is refused to it', async () => {
  expect([...CALLS].filter((name) => !operations.some((operation) => operation.name === name))).toEqual([]);
  for (const { root, field, name } of operations.filter((operation) => !CALLS.has(operation.name))) {
    const answer = await asked(
      agent,
      `${root.toLowerCase()} { ${field.name}${argumentsOf(field)}${selectionOf(field)} }`,
    );
    expect(answer, name).toContain('"code":"FORBIDDEN"');
  }
});

test('each field that an agent’s operations lead to is decided upon', () => {
  const reached = new Map<string, string[]>();
  const visit = (type: GraphQLNamedType): void => {
    if (isUnionType(type)) type.getTypes().forEach(visit);
    else if (isInterfaceType(type)) schema.getPossibleTypes(type).forEach(visit);
    else if (isObjectType(type) && !reached.has(type.name)) {
      const fields = Object.values(type.getFields());
      reached.set(type.name, fields.map(({ name }) => name).toSorted());
      const readers = wordsOf(REACH[type.name]?.readers);
      for (const field of fields.filter(({ name }) => !readers.includes(name))) visit(getNamedType(field.type));
    }
  };
  for (const { field } of operations.filter(({ name }) => CALLS.has(name))) visit(getNamedType(field.type));
  const decided = Object.entries(REACH).map(([type, { shown, readers }]) => [
    type,
    [...wordsOf(shown), ...wordsOf(readers)].toSorted(),
  ]);
  expect(Object.fromEntries(reached)).toEqual(Object.fromEntries(decided));
});

/** How an agent comes to one of these; each may be asked again and again. */
const ways: Record<string, (selection: string) => Promise<string>> = {
  Viewer: (selection) => asked(agent, `{ viewer { ${selection} } }`),
  Agent: (selection) =>
    asked(
      agent,
      `mutation ($input: RegisterAgentInput!) { registerAgent(input: $input) { ... on Agent { ${selection} } } }`,
      {
        input: { machineId: 'machine', containerGroupId: 'reach', sessionId },
      },
    ),
  Claim: (selection) => claimedWith(selection),
  Job: (selection) => claimedWith(`job { ${selection} }`),
  Attempt: (selection) => claimedWith(`attempt { ${selection} }`),
};
const sessionId = randomUUID();
const claimId = randomUUID();
const webhook = 'http://192.0.2.1/told?token=secret';
await submitted(app, owner, { containerGroupId: 'reach', webhook });
const agentId = await registered(app, agent, 'machine', 'reach');

function claimedWith(selection: string): Promise<string> {
  const query = `mutation ($input: ClaimJobInput!) { claimJob(input: $input) { __typename ... on Claim { ${selection} } } }`;
  return asked(agent, query, { input: { agentId, claimId } });
}

test.each(Object.keys(ways))('of %s an agent is shown what it needs, and nothing else', async (type) => {
  const way = ways[type] ?? expect.fail(`There is no way to ${type}`);
  for (const field of fieldsOf(type)) {
    const answer = await way(`${field.name}${selectionOf(field)}`);
    const isForReaders = wordsOf(REACH[type]?.readers).includes(field.name);
    expect(answer.includes('"code":"FORBIDDEN"'), `${field.name}: ${answer}`).toBe(isForReaders);
    expect(answer.includes('"errors"'), `${field.name}: ${answer}`).toBe(isForReaders);
  }
});

test('what is for who may read is in REACH as often as there is a way to it', () => {
  const withReaders = Object.keys(REACH).filter((type) => REACH[type]?.readers !== undefined);
  expect(withReaders.filter((type) => !(type in ways))).toEqual([]);
});

test('a polling worker with the key of an agent is not told where the job’s outcome goes, and its owner is', async () => {
  await submitted(app, owner, { containerGroupId: 'polled', webhook, environment: { NAME: 'value' } });
  const { body } = await app.rest(agent, 'GET', '/work?machine_id=m&container_group_id=polled');
  expect(body).toMatchObject([{ webhook: null, environment: { NAME: 'value' } }]);
  const [{ id }] = body as [{ id: string }];
  expect((await app.rest(owner, 'GET', `/jobs/${id}`)).body).toMatchObject({ webhook });
});

/** The whole answer as text, also of a subscription that ends by itself. */
async function asked(key: string, query: string, variables?: Record<string, unknown>): Promise<string> {
  const accept = query.startsWith('subscription') ? 'text/event-stream' : 'application/json';
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: accept, 'X-Kelpie-Key': key },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(10_000),
  });
  return response.text();
}

function fieldsOf(type: string): GraphQLField<unknown, unknown>[] {
  const found = schema.getType(type);
  return isObjectType(found) ? Object.values(found.getFields()) : [];
}

function selectionOf({ type }: GraphQLField<unknown, unknown>): string {
  const named = getNamedType(type);
  if (isLeafType(named)) return '';
  const mayFail = isUnionType(named) && named.getTypes().some((one) => one.getInterfaces().length > 0);
  return ` { __typename ${mayFail ? '... on Failure { code }' : ''} }`;
}

function argumentsOf({ args }: GraphQLField<unknown, unknown>): string {
  const required = args.filter(isRequiredArgument).map(({ name, type }) => `${name}: ${valueFor(name, type)}`);
  return required.length === 0 ? '' : `(${required.join(', ')})`;
}

/** Something that is in order, as text. */
function valueFor(name: string, type: GraphQLInputType): string {
  if (isNonNullType(type)) return valueFor(name, type.ofType);
  if (isListType(type)) return `[${valueFor(name, type.ofType)}]`;
  if (isInputObjectType(type)) {
    const required = Object.values(type.getFields()).filter(isRequiredInputField);
    return `{ ${required.map((field) => `${field.name}: ${valueFor(field.name, field.type)}`).join(', ')} }`;
  }
  if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
  switch (type.name) {
    case 'ID':
      return `"${randomUUID()}"`;
    case 'Int':
    case 'Float':
      return '1';
    case 'Boolean':
      return 'true';
    default:
      return '"words"';
  }
}

function wordsOf(list = ''): string[] {
  return list.split(' ').filter((word) => word !== '');
}
