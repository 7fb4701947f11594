import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { startStack, type Stack } from '../deploy/local/stack.ts';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { processesMarked } from '../tests/support/program.ts';
import { until } from '../tests/support/until.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { quantile, rounded, say } from './support/stats.ts';

/**
 * How long from the first job in an empty queue, whose group is stopped, until the first agent has it, and until eight work? Then all
 * go again, and no attempt is interrupted. The whole product runs as processes, with the provider of this machine: each agent is a
 * process that starts from nothing. The rule has rested for a second or more, as that of an empty queue has. Times are the
 * database's, of the first round each; further rounds say how much they vary.
 */
const ROUNDS = 5;
const JOBS = 40;
const AGENTS = 8;
/** What the first claim may take, in the worst round. */
const FIRST_CLAIM_S = 3;
const GROUP = 'scaled';
const IDLE_SECONDS = 2;

const Event = z.object({
  type: z.string(),
  at: z.coerce.date(),
  data: z.looseObject({ machineId: z.string().optional(), outcome: z.string().optional() }),
});
type Event = z.output<typeof Event>;
const Told = z.object({ jobEvents: z.union([Event, z.object({ message: z.string() })]) });

/** Seconds since the submission. */
interface Round {
  claims: number[];
  done: number;
  gone: number;
  outcomes: Set<string>;
  events: Event[];
}

export const scaling = benchmark(
  'How long from the first job in an empty queue until the first agent has it, and until eight work?',
  {},
  measure,
);

async function measure(): Promise<Figures> {
  const directory = await makeTemporaryDirectory('kelpie-scaling-');
  const stack = await startStack({ directory, agents: 0, room: AGENTS, ports: { server: 4000, s3: 9000 } });
  const client = createClient({
    url: `${stack.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { 'X-Kelpie-Key': stack.key },
  });
  try {
    await rest(stack, 'POST', '/scaling-rules', {
      ...{ container_group_id: GROUP, min_replicas: 0, max_replicas: AGENTS, idle_threshold_seconds: IDLE_SECONDS },
    });
    const rounds: Round[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      await atRest(stack);
      rounds.push(await one(stack, client, join(directory, `gate-${round}`)));
      if (round === 1) await printTimeline(stack, rounds[0]!);
      say(`round ${round}: first claim after ${rounded(rounds.at(-1)?.claims[0] ?? NaN, 2)} s`);
    }
    return report(rounds);
  } finally {
    await client.dispose();
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** From the submission until no agent is left. @param gate the file without which no job ends: all agents are to be seen at work */
async function one(stack: Stack, client: Client, gate: string): Promise<Round> {
  const events: Event[] = [];
  const after = await feedCursor(stack);
  const query = `subscription ($group: String!, $after: Cursor!) {
    jobEvents(filter: { containerGroupId: $group }, after: $after) {
      ... on JobEvent { type at data } ... on EventGap { message } } }`;
  const following = client.iterate({ query, variables: { group: GROUP, after } });
  const finished = collect(following, events, gate);
  // Jobs of no length at all, and such as take a while, so that agents run out of work one after another.
  const lengths = Array.from({ length: JOBS }, (_, index) => (index % 5) * 0.3);
  const jobs = lengths.map((seconds) => {
    const script = `until [ -e "${gate}" ]; do sleep 0.25; done; sleep ${seconds}`;
    return { command: 'sh', arguments: ['-c', script], container_group_id: GROUP };
  });
  await rest(stack, 'POST', '/jobs/batch', jobs);
  await finished;
  await until('the end of all agents', () => processesMarked(`SALAD_CONTAINER_GROUP_ID=${GROUP}`).length === 0, 30_000);
  const gone = Date.now();
  const timesOf = (type: string) => events.filter((event) => event.type === type).map(({ at }) => at.getTime());
  const began = Math.min(...timesOf('SUBMITTED'));
  const first = new Map<string, number>();
  for (const { type, at, data } of events) {
    const machine = data.machineId;
    if (type === 'CLAIMED' && machine !== undefined && !first.has(machine)) first.set(machine, at.getTime());
  }
  const since = (at: number) => (at - began) / 1_000;
  return {
    claims: [...first.values()].map(since).toSorted((a, b) => a - b),
    done: since(Math.max(...timesOf('COMPLETED'))),
    gone: since(gone),
    outcomes: new Set(events.flatMap(({ data }) => data.outcome ?? [])),
    events,
  };
}

/** Until all jobs are completed; opens the gate when every agent has one. */
async function collect(
  following: AsyncIterableIterator<{ data?: unknown }>,
  events: Event[],
  gate: string,
): Promise<void> {
  let completed = 0;
  let claimed = 0;
  for await (const { data } of following) {
    const { jobEvents: event } = Told.parse(data);
    if ('message' in event) throw new Error(`Expected every event, got a gap: ${event.message}`);
    events.push(event);
    if (event.type === 'CLAIMED' && ++claimed === AGENTS) await writeFile(gate, '');
    if (event.type === 'COMPLETED' && ++completed === JOBS) return;
  }
  throw new Error('The feed ended before the jobs did');
}

async function feedCursor(stack: Stack): Promise<string> {
  const answer = await rest(stack, 'POST', '/graphql', { query: '{ feedCursor }' });
  return z.object({ data: z.object({ feedCursor: z.string() }) }).parse(answer).data.feedCursor;
}

const Rule = z.object({
  lastDecision: z.object({ wanted: z.int(), at: z.coerce.date() }).nullable(),
  lastAnswer: z.object({ ok: z.boolean() }).nullable(),
  scalingEvents: z.array(z.object({ at: z.coerce.date(), reason: z.string().nullable(), message: z.string() })),
});

/** Stopped, and not looked at for a second. */
async function atRest(stack: Stack): Promise<void> {
  await until(
    'the rule to be at rest',
    async () => {
      const { lastDecision, lastAnswer } = await ruleOf(stack);
      if (lastDecision === null || lastAnswer?.ok !== true) return false;
      return lastDecision.wanted === 0 && Date.now() - lastDecision.at.getTime() > 1_100;
    },
    30_000,
  );
}

async function ruleOf(stack: Stack): Promise<z.output<typeof Rule>> {
  const query = `{ scalingRule(containerGroupId: "${GROUP}") {
    lastDecision { wanted at } lastAnswer { ok } scalingEvents { at reason message } } }`;
  const answer = await rest(stack, 'POST', '/graphql', { query });
  return z.object({ data: z.object({ scalingRule: Rule }) }).parse(answer).data.scalingRule;
}

async function printTimeline(stack: Stack, { claims, done, gone, events }: Round): Promise<void> {
  const began = events.find(({ type }) => type === 'SUBMITTED')?.at.getTime() ?? 0;
  const lines: [number, string][] = [
    [0, `${JOBS} jobs submitted`],
    ...claims.map((at, index): [number, string] => [at, `agent ${index + 1} has its first job`]),
    [done, 'all jobs completed'],
    [gone, 'all agents gone'],
  ];
  for (const { at, reason, message } of (await ruleOf(stack)).scalingEvents) {
    const seconds = (at.getTime() - began) / 1_000;
    if (seconds >= 0) lines.push([seconds, `scaling: ${reason ?? 'undecided'}: ${message}`]);
  }
  for (const [at, what] of lines.toSorted(([a], [b]) => a - b)) say(`${at.toFixed(2).padStart(6)} s  ${what}`);
}

async function rest(stack: Stack, method: string, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${stack.url}${path}`, {
    method,
    headers: { 'X-Kelpie-Key': stack.key, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

function report(rounds: Round[]): Record<string, unknown> {
  const outcomes = new Set(rounds.flatMap((round) => [...round.outcomes]));
  if (outcomes.size !== 1 || !outcomes.has('COMPLETED')) {
    throw new Error(`Expected no attempt to be interrupted, got the endings ${[...outcomes].join(', ')}`);
  }
  if (rounds.some(({ claims }) => claims.length !== AGENTS)) throw new Error(`Expected ${AGENTS} agents in each round`);
  const seconds = (pick: (round: Round) => number, share: number) => rounded(quantile(rounds.map(pick), share), 2);
  const figures = {
    first_claim_p50_s: seconds(({ claims }) => claims[0]!, 0.5),
    first_claim_max_s: seconds(({ claims }) => claims[0]!, 1),
    all_claim_p50_s: seconds(({ claims }) => claims.at(-1)!, 0.5),
    all_claim_max_s: seconds(({ claims }) => claims.at(-1)!, 1),
    done_to_gone_p50_s: seconds(({ done, gone }) => gone - done, 0.5),
    interrupted: 0,
    n: rounds.length,
  };
  say(`first job → first agent has it  p50 ${figures.first_claim_p50_s} s, at most ${figures.first_claim_max_s} s`);
  say(`first job → ${AGENTS} agents at work   p50 ${figures.all_claim_p50_s} s, at most ${figures.all_claim_max_s} s`);
  say(`last job done → nobody left     p50 ${figures.done_to_gone_p50_s} s (idle threshold ${IDLE_SECONDS} s)`);
  if (figures.first_claim_max_s > FIRST_CLAIM_S) {
    throw new Error(`Expected the first claim within ${FIRST_CLAIM_S} s, it took ${figures.first_claim_max_s} s`);
  }
  return figures;
}
