import { randomUUID } from 'node:crypto';
import type { TestApp } from './app.ts';

/** Whatever an operation of a test answers; what matters of it is compared as a whole. */
export type Answer = Record<string, unknown> & { id: string; issues: { path: string[]; message: string }[] };

/** A failure in a selection; the second for unions that InvalidInput belongs to. */
const FAILED = `__typename ... on Failure { code message }`;
const FAILURE = `${FAILED} ... on InvalidInput { issues { path message } }`;

/** The one field of an operation that must succeed as such; a failure within a union is an answer. */
export async function ask(
  app: TestApp,
  key: string | undefined,
  query: string,
  variables?: Record<string, unknown>,
): Promise<Answer> {
  const { data, errors } = await app.graphql(key, query, variables);
  if (errors !== undefined) throw new Error(`Expected data, got ${JSON.stringify(errors)}`);
  return Object.values(data ?? {})[0] as Answer;
}

/** The errors of an operation that must fail as such. */
export async function refusal(
  app: TestApp,
  key: string | undefined,
  query: string,
  variables?: Record<string, unknown>,
): Promise<{ message: string; extensions?: Record<string, unknown> }> {
  const { data, errors } = await app.graphql(key, query, variables);
  const [first] = errors ?? [];
  if (first === undefined) throw new Error(`Expected errors, got ${JSON.stringify(data)}`);
  return first;
}

const documents = {
  submitJob: `mutation ($input: SubmitJobInput!) { submitJob(input: $input) { ${FAILURE} ... on Job { id status } } }`,
  submitJobs: `mutation ($input: [SubmitJobInput!]!) {
    submitJobs(input: $input) { ${FAILURE} ... on SubmittedJobs { jobs { id name status } } } }`,
  cancelJob: `mutation ($id: ID!) { cancelJob(id: $id) { ${FAILED} ... on Job { id status statusReason } } }`,
  retryJob: `mutation ($id: ID!) { retryJob(id: $id) { ${FAILED} ... on Job { id status } } }`,
  registerAgent: `mutation ($input: RegisterAgentInput!) {
    registerAgent(input: $input) {
      ${FAILURE} ... on Agent { id machineId containerGroupId sessionId version hardware { all } registeredAt lastSeenAt } } }`,
  claimJob: `mutation ($input: ClaimJobInput!) {
    claimJob(input: $input) {
      ${FAILURE} ... on NoWork { retryAfterMillis }
      ... on Claim { leaseMillis attempt { number machineId phase } job { id status environment } } } }`,
  heartbeat: `mutation ($input: HeartbeatInput!) {
    heartbeat(input: $input) { ${FAILURE} ... on Lease { leaseMillis directive } } }`,
  appendLogs: `mutation ($input: AppendLogsInput!) {
    appendLogs(input: $input) { ${FAILURE} ... on AppendedLogs { nextOffset } } }`,
  completeAttempt: `mutation ($input: CompleteAttemptInput!) {
    completeAttempt(input: $input) { ${FAILURE} ... on Job { id status } } }`,
  failAttempt: `mutation ($input: FailAttemptInput!) {
    failAttempt(input: $input) { ${FAILURE} ... on Job { id status numFailures numSyncFailures } } }`,
  releaseAttempt: `mutation ($input: ReleaseAttemptInput!) {
    releaseAttempt(input: $input) { ${FAILURE} ... on Job { id status numInterruptions } } }`,
} as const;

export type MutationName = keyof typeof documents;

/** The text of a mutation that selects everything that a test may look at. */
export function mutation(name: MutationName): string {
  return documents[name];
}

/** One mutation with its `input` (or `id`). */
export async function mutate(
  app: TestApp,
  key: string | undefined,
  name: MutationName,
  input: unknown,
): Promise<Answer> {
  const byId = name === 'cancelJob' || name === 'retryJob';
  return ask(app, key, documents[name], byId ? { id: input } : { input });
}

/** A submission that must succeed. @returns the job's id */
export async function submitted(app: TestApp, key: string, part: object = {}): Promise<string> {
  const job = await mutate(app, key, 'submitJob', { command: 'true', containerGroupId: 'group', ...part });
  if (typeof job.id !== 'string') throw new Error(`Expected a job, got ${JSON.stringify(job)}`);
  return job.id;
}

/** An agent that is known. @returns its id */
export async function registered(app: TestApp, key: string, machineId = 'machine', group = 'group'): Promise<string> {
  const input = { machineId, containerGroupId: group, sessionId: randomUUID() };
  return (await mutate(app, key, 'registerAgent', input)).id;
}

/** The next job for an agent, which there must be. */
export async function claimed(app: TestApp, key: string, agentId: string): Promise<{ jobId: string; attempt: number }> {
  const claim = await mutate(app, key, 'claimJob', { agentId });
  if (claim.__typename !== 'Claim') throw new Error(`Expected a claim, got ${JSON.stringify(claim)}`);
  const { job, attempt } = claim as unknown as { job: { id: string }; attempt: { number: number } };
  return { jobId: job.id, attempt: attempt.number };
}
