import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../../lib/pause.ts';
import type { AgentFacts } from './facts.ts';
import { type Child, signalOne, signalTree, startChild } from './processes.ts';
import { type Link, openLink } from './proxy.ts';
import type { Peer } from './schedule.ts';

/** The agents: a place for each, with its lines to server and store, in which one process follows another. */
export interface Fleet {
  places: readonly Place[];
  /** Every process there was. */
  agents: AgentFacts[];
  start(place: Place, newMachine: boolean): void;
  /** SIGKILL for all of it: the machine is gone. */
  kill(place: Place): Promise<void>;
  /** SIGTERM, and waits for its end. */
  terminate(place: Place): Promise<void>;
  /** Lets `ask` ask it to leave, and waits until it has. One that stays is ended, and counts as a death. */
  drain(place: Place, ask: (agentId: string) => Promise<unknown>): Promise<void>;
  /** SIGSTOP, for the agent alone or with the command that it runs, until so many milliseconds have passed. */
  freeze(place: Place, withCommand: boolean, forMs: number, hurry: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export interface Place {
  slot: number;
  machineId: string;
  links: Record<Exclude<Peer, 'BOTH'>, Link>;
  child: Child | undefined;
  agent: AgentFacts | undefined;
  /** `ENDING`: told to, not yet done. */
  state: 'UP' | 'FROZEN' | 'ENDING' | 'DOWN';
}

export interface FleetParts {
  count: number;
  directory: string;
  group: string;
  apiKey: string;
  serverPort: () => number | undefined;
  storePort: number;
  onDeath: (what: string) => void;
}

export async function createFleet(parts: FleetParts): Promise<Fleet> {
  const agents: AgentFacts[] = [];
  const places = await Promise.all(
    Array.from({ length: parts.count }, async (_, slot): Promise<Place> => {
      const links = { SERVER: await openLink(parts.serverPort), STORE: await openLink(() => parts.storePort) };
      return { slot, machineId: `machine-${slot}-0`, links, child: undefined, agent: undefined, state: 'DOWN' };
    }),
  );
  const children: Child[] = [];
  let machines = 0;
  let isStopped = false;

  return {
    places,
    agents,
    start(place, newMachine) {
      if (isStopped) return;
      if (newMachine) place.machineId = `machine-${place.slot}-${++machines}`;
      const directory = workplace(parts, place);
      const agent: AgentFacts = {
        accessKey: `agent-${place.slot}-${agents.length}`,
        slot: place.slot,
        machineId: place.machineId,
        agentId: undefined,
      };
      agents.push(agent);
      const child = spawn(parts, place, agent, directory);
      children.push(child);
      Object.assign(place, { child, agent, state: 'UP' });
      watch(place, child, agent, parts.onDeath);
    },
    async kill(place) {
      place.state = 'DOWN';
      await place.child?.kill();
    },
    async terminate(place) {
      place.state = 'ENDING';
      await place.child?.stop();
      place.state = 'DOWN';
    },
    async drain(place, ask) {
      const { child, agent } = place;
      if (child === undefined || agent === undefined) return;
      place.state = 'ENDING';
      // One that is not known to the server can't be asked by it.
      await (agent.agentId === undefined ? child.stop() : ask(agent.agentId));
      await Promise.race([child.ended, pause(DRAINED_WITHIN_MS)]);
      if (!child.isOver()) parts.onDeath(`${agent.accessKey} was asked to leave, and stayed`);
      await child.kill();
      place.state = 'DOWN';
    },
    async freeze(place, withCommand, forMs, hurry) {
      const { child } = place;
      if (child === undefined || child.isOver()) return;
      place.state = 'FROZEN';
      (withCommand ? signalTree : signalOne)(child.pid, 'SIGSTOP');
      await pause(forMs, hurry);
      if (child.isOver()) return;
      signalTree(child.pid, 'SIGCONT');
      if (place.child === child && isFrozen(place)) place.state = 'UP';
    },
    async stop() {
      isStopped = true;
      await Promise.all(children.map((child) => child.kill()));
      await Promise.all(places.flatMap(({ links }) => [links.SERVER.close(), links.STORE.close()]));
    },
  };
}

/** All lines are open again for a while by then. */
const DRAINED_WITHIN_MS = 60_000;

/** Asked anew, after a wait. */
function isFrozen(place: Place): boolean {
  return place.state === 'FROZEN';
}

const TEMPORARY = 'tmp';

/** One that comes back on its machine finds what the one before has left on the disk. */
function workplace(parts: FleetParts, place: Place): string {
  const directory = join(parts.directory, place.machineId);
  mkdirSync(join(directory, TEMPORARY), { recursive: true });
  return directory;
}

function spawn(parts: FleetParts, place: Place, agent: AgentFacts, workingDirectory: string): Child {
  return startChild(agent.accessKey, ['agent/main.ts'], {
    log: join(parts.directory, `${agent.accessKey}.log`),
    workingDirectory,
    environment: {
      TMPDIR: join(workingDirectory, TEMPORARY),
      KELPIE_API_URL: `http://127.0.0.1:${place.links.SERVER.port}`,
      KELPIE_API_KEY: parts.apiKey,
      SALAD_MACHINE_ID: agent.machineId,
      SALAD_CONTAINER_GROUP_ID: parts.group,
      SALAD_METADATA_URL: 'none',
      AWS_ENDPOINT_URL: `http://127.0.0.1:${place.links.STORE.port}`,
      // By this the store's door knows who writes.
      AWS_ACCESS_KEY_ID: agent.accessKey,
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_REGION: 'us-east-1',
      KELPIE_LOG_LEVEL: 'debug',
      KELPIE_SHUTDOWN_GRACE_S: '1.5',
      KELPIE_KILL_GRACE_S: '1',
    },
  });
}

/** Learns what the server calls it, and whether it ends unasked. */
function watch(place: Place, child: Child, agent: AgentFacts, onDeath: FleetParts['onDeath']): void {
  child
    .line((text) => text.includes('"msg":"Registered"'))
    .then((line) => {
      agent.agentId = (JSON.parse(line) as { agentId: string }).agentId;
    })
    .catch(() => undefined);
  void child.ended.then((lastWords) => {
    if (place.child !== child || (place.state !== 'UP' && place.state !== 'FROZEN')) return;
    place.state = 'DOWN';
    onDeath(`${agent.accessKey}: ${lastWords}`);
  });
}
