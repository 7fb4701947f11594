import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { z } from 'zod';
import { type Bench, BUCKET, startBench } from '../agent/sync/support/bench.ts';
import type { Interference, Relayed } from '../agent/sync/support/relay.ts';
import type { TraceParts } from '../../core/traces/job-traces.ts';
import { startTestApp, type TestApp } from './app.ts';
import { follow, type FollowedJob } from './follow.ts';
import { startProgram, type TestProgram } from './program.ts';

/** A server with its database, a store, and as many agents as the scenes want: every part real, the agents as processes. */
export interface Fleet {
  app: TestApp;
  store: Bench;
  ownerKey: string;
  scene(name: string): Promise<Scene>;
  stop(): Promise<void>;
}

/** What one test has for itself: a queue, a corner of the bucket, a folder, machines. */
export interface Scene {
  fleet: Fleet;
  /** The container group of all its agents and jobs. */
  group: string;
  /** What the keys of its objects begin with; ends in a slash. */
  prefix: string;
  /** A folder outside the agents' own. */
  folder: string;
  /** Starts an agent on a machine of this name, and waits until it is registered. */
  agent(machineId: string, environment?: Record<string, string>, how?: AgentManner): Promise<TestAgent>;
  submit(input: JobInput): Promise<FollowedJob>;
  cancel(job: FollowedJob): Promise<void>;
  /** What has happened to a job, in order. */
  events(job: FollowedJob): Promise<JobEvent[]>;
  /** The bytes of one of its objects as text; undefined when there is none. */
  text(key: string): Promise<string | undefined>;
  /** The keys of its objects, without its prefix. */
  keys(): Promise<string[]>;
  put(key: string, text: string): Promise<void>;
  /** Looks at each request for its objects before the store does. */
  interfere(rule: Interference): void;
  /** Keeps matching requests from the store until they are released. */
  hold(matches: (seen: Relayed) => boolean): { arrived: Promise<Relayed>; release(): void };
  /** Something a command can wait for: its script goes on when the test opens it. */
  gate(name: string): { script: string; open(): Promise<void> };
  clear(): Promise<void>;
}

export interface AgentManner {
  /** A program with arguments that starts the agent in its place, as `setpriv` does. */
  under?: readonly string[];
}

export interface TestAgent extends TestProgram {
  /** Its working directory, in which the relative local paths of its jobs lie. */
  folder: string;
  /** The first line of its log, or of a command's output, with this text. */
  said(text: string, from?: number): Promise<string>;
}

export interface JobEvent {
  type: string;
  attempt: number | null;
  at: Date;
  data: Record<string, unknown>;
}

/** A submission; what is carried is given by the name that local path and prefix share. */
export interface JobInput {
  script: string;
  before?: string[];
  during?: string[];
  after?: string[];
  [more: string]: unknown;
}

/** Starts a fleet for the scenarios of one file, which have a scene each, and may run at once. */
export function scenarios(options: { traces?: () => Promise<TraceParts> } = {}) {
  let fleet: Fleet | undefined;
  beforeAll(async () => {
    const traces = await options.traces?.();
    fleet = await startFleet(traces === undefined ? {} : { traces });
  });
  afterAll(() => fleet?.stop());
  return test.extend<{ scene: Scene }>({
    scene: async ({ task, onTestFailed }, use) => {
      if (fleet === undefined) throw new Error('the fleet did not start');
      const scene = await fleet.scene(task.name.replaceAll(/[^a-z]+/gi, '-').slice(0, 40));
      onTestFailed(() => {
        process.stderr.write(`${task.name}:\n${[...agentsOf(scene)].flatMap(({ lines }) => lines).join('\n')}\n`);
      });
      await use(scene);
      await scene.clear();
    },
  });
}

/** When a line of an agent's log was written, in milliseconds of its wall clock. */
export function timeOf(line: string): number {
  return z.object({ time: z.number() }).parse(JSON.parse(line)).time;
}

export async function startFleet(options: { traces?: TraceParts } = {}): Promise<Fleet> {
  const [app, store] = await Promise.all([startTestApp(options), startBench()]);
  const owner = await app.account('OWNER', 'herder');
  const agent = await app.account('AGENT', 'herder');
  const client = app.socket(owner.secret);
  const rules = new Map<string, Interference[]>();
  store.relay.interfere = (seen) => {
    const place = seen.key === '' ? (seen.query.get('prefix') ?? '') : seen.key;
    return firstVerdict(rules.get(`${place.split('/')[0] ?? ''}/`) ?? [], seen);
  };
  const fleet: Fleet = {
    app,
    store,
    ownerKey: owner.secret,
    async scene(name) {
      // Of names that are cut short, two may be the same, and their scenes would take each other's jobs.
      const group = rules.has(`${name}/`) ? `${name}-${rules.size}` : name;
      const prefix = `${group}/`;
      const own: Interference[] = [];
      rules.set(prefix, own);
      const folder = await mkdtemp(join(tmpdir(), 'kelpie-scene-'));
      return createScene({
        ...{ fleet, group, prefix, folder, rules: own },
        agentKey: agent.secret,
        followed: (id) => follow(client, id),
      });
    },
    async stop() {
      await app.close();
      await store.stop();
    },
  };
  return fleet;
}

async function firstVerdict(rules: readonly Interference[], seen: Relayed): Promise<Awaited<ReturnType<Interference>>> {
  for (const rule of rules) {
    const verdict = await rule(seen);
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}

interface SceneParts {
  fleet: Fleet;
  group: string;
  prefix: string;
  folder: string;
  rules: Interference[];
  agentKey: string;
  followed: (id: string) => FollowedJob;
}

const casts = new WeakMap<Scene, TestAgent[]>();

function agentsOf(scene: Scene): readonly TestAgent[] {
  return casts.get(scene) ?? [];
}

function createScene(parts: SceneParts): Scene {
  const { fleet, group, prefix, folder, rules } = parts;
  const { store } = fleet;
  const agents: TestAgent[] = [];
  const scene: Scene = {
    ...{ fleet, group, prefix, folder },
    async agent(machineId, environment = {}, how = {}) {
      const agent = await startAgent(parts, machineId, environment, how);
      agents.push(agent);
      await agent.said('"msg":"Registered"');
      return agent;
    },
    submit: async (input) => parts.followed(await submit(parts, input)),
    cancel: async ({ id }) => {
      const { data } = await ask(fleet, 'mutation ($id: ID!) { cancelJob(id: $id) { __typename } }', { id });
      z.object({ cancelJob: z.object({ __typename: z.literal('Job') }) }).parse(data);
    },
    events: ({ id }) =>
      fleet.app.database.query<JobEvent>(
        'select type, attempt, at, data from job_events where job_id = $1 order by seq',
        [id],
      ),
    text: (key) => store.text(prefix + key),
    keys: async () => (await store.keys(prefix)).map((key) => key.slice(prefix.length)),
    put: (key, text) => store.put(prefix + key, text),
    interfere: (rule) => void rules.push(rule),
    hold(matches) {
      const arrived = Promise.withResolvers<Relayed>();
      const released = Promise.withResolvers<undefined>();
      rules.push(async (seen) => {
        if (!matches(seen)) return undefined;
        arrived.resolve(seen);
        return released.promise;
      });
      return { arrived: arrived.promise, release: () => released.resolve(undefined) };
    },
    gate(name) {
      const path = join(folder, name);
      return { script: `until [ -e ${path} ]; do sleep 0.05; done`, open: () => writeFile(path, '') };
    },
    async clear() {
      await Promise.all(agents.map((agent) => agent.vanish()));
      await rm(folder, { recursive: true, force: true });
    },
  };
  casts.set(scene, agents);
  return scene;
}

const AGENT = join(import.meta.dirname, '../../agent/main.ts');

async function startAgent(
  { fleet, group, folder, agentKey }: SceneParts,
  machineId: string,
  environment: Record<string, string>,
  { under = [] }: AgentManner,
): Promise<TestAgent> {
  const workingDirectory = join(folder, machineId);
  await mkdir(workingDirectory);
  const [file, ...args] = [...under, process.execPath, AGENT] as const;
  const program = startProgram(file, args, {
    workingDirectory,
    environment: {
      PATH: process.env['PATH'] ?? '',
      TMPDIR: folder,
      KELPIE_API_URL: fleet.app.url,
      KELPIE_API_KEY: agentKey,
      KELPIE_LOG_LEVEL: 'debug',
      KELPIE_KILL_GRACE_S: '0.3',
      SALAD_MACHINE_ID: machineId,
      SALAD_CONTAINER_GROUP_ID: group,
      SALAD_METADATA_URL: 'none',
      AWS_ENDPOINT_URL: fleet.store.relay.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      MAX_RETRIES: '1',
      FILE_WATCHER_DEBOUNCE_MS: '20',
      FILE_WATCHER_STABILITY_CHECK_MS: '20',
      FILE_WATCHER_MAX_WAIT_MS: '300',
      ...environment,
    },
  });
  const said: TestAgent['said'] = (text, from) => program.line((line) => line.includes(text), from);
  return { ...program, folder: workingDirectory, said };
}

const SUBMIT = `mutation ($input: SubmitJobInput!) {
  submitJob(input: $input) { __typename ... on Job { id } ... on Failure { message } }
}`;
const submitted = z.object({ submitJob: z.object({ __typename: z.literal('Job'), id: z.string() }) });

async function submit({ fleet, group, prefix }: SceneParts, input: JobInput): Promise<string> {
  const { script, before = [], during = [], after = [], ...more } = input;
  const entries = (names: string[], direction: string) =>
    names.map((name) => ({ bucket: BUCKET, prefix: `${prefix}${name}/`, localPath: name, direction }));
  const { data } = await ask(fleet, SUBMIT, {
    input: {
      containerGroupId: group,
      command: 'sh',
      arguments: ['-c', script],
      sync: { before: entries(before, 'DOWNLOAD'), during: entries(during, 'UPLOAD'), after: entries(after, 'UPLOAD') },
      ...more,
    },
  });
  return submitted.parse(data).submitJob.id;
}

function ask({ app, ownerKey }: Fleet, query: string, variables: Record<string, unknown>) {
  return app.graphql(ownerKey, query, variables);
}
