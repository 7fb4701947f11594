import { availableParallelism } from 'node:os';
import { createSlots } from '../../../lib/slots.ts';
import {
  type Group,
  GroupNotFound,
  type GroupRef,
  type Instance,
  type Provider,
  ProviderTrouble,
} from '../provider.ts';
import { createHerd, type Herd, type LocalProcess } from './local-herd.ts';

export interface LocalOptions {
  /** Whether this machine has this container group. */
  has: (group: GroupRef) => boolean;
  /** Starts an agent of the group on a machine of this name. */
  spawn: (machineId: string, group: GroupRef) => Promise<LocalProcess>;
  /** Lets so many of these machines' agents leave when they are idle. @returns whose do */
  retire: (group: GroupRef, machineIds: readonly string[], count: number) => Promise<string[]>;
  /** For so many agents there is room, of all groups together (8). */
  room?: number | undefined;
  /** So many agents start at a time (as many as there are processors): the first is to work before the last is there. */
  startAtOnce?: number | undefined;
}

export interface LocalProvider extends Provider {
  /** Ends every process, in order, and starts no more. */
  close(): Promise<void>;
}

const ROOM = 8;
/** How soon agents that had not registered yet are asked to leave again, in milliseconds. */
const STARTING_MS = 1_000;

interface LocalGroup {
  herd: Herd;
  isStarted: boolean;
  wanted: number;
}

/** Child processes of this one as machines: a whole fleet on one machine, for trying out. */
export function createLocalProvider(options: LocalOptions): LocalProvider {
  const { find, all, close } = createGroups(options);
  const room = options.room ?? ROOM;
  const free = () => room - all().reduce((sum, { herd }) => sum + herd.size(), 0);
  const resize = async (ref: GroupRef, { herd }: LocalGroup, count: number): Promise<void> => {
    const surplus = herd.staying().length - count;
    if (surplus > 0) await retire(options, ref, herd, surplus);
    else herd.add(Math.min(-surplus, Math.max(free(), 0)));
  };

  return {
    name: 'local',
    get: async (ref) => describe(ref, find(ref), free() <= 0),
    async start(ref) {
      const group = find(ref);
      group.isStarted = true;
      await resize(ref, group, group.wanted);
    },
    async stop(ref) {
      const group = find(ref);
      await resize(ref, group, 0);
      group.isStarted = false;
    },
    async setReplicas(ref, count) {
      const group = find(ref);
      group.wanted = count;
      if (group.isStarted) await resize(ref, group, count);
    },
    instances: async (ref) => find(ref).herd.staying().map(instanceOf),
    async reallocate(ref, { id }) {
      const group = find(ref);
      await group.herd.end(id);
      if (group.isStarted) await resize(ref, group, group.wanted);
    },
    close,
  };
}

function createGroups({ has, spawn, startAtOnce = availableParallelism() }: LocalOptions) {
  const groups = new Map<string, LocalGroup>();
  const starts = createSlots(startAtOnce);
  const prefix = `local-${Date.now().toString(36)}`;
  let counter = 0;
  let isClosed = false;
  const nameNext = () => `${prefix}-${++counter}`;

  return {
    find: (ref: GroupRef): LocalGroup => {
      if (isClosed) throw new ProviderTrouble('This machine takes no more agents: it is being stopped');
      if (!has(ref)) throw new GroupNotFound(`This machine has no container group ${ref.containerGroupId}`);
      const key = JSON.stringify([ref.accountId, ref.containerGroupId]);
      const known = groups.get(key);
      if (known !== undefined) return known;
      const made = { herd: createHerd(ref, { spawn, starts, nameNext }), isStarted: false, wanted: 0 };
      groups.set(key, made);
      return made;
    },
    all: () => [...groups.values()],
    close: async (): Promise<void> => {
      isClosed = true;
      await Promise.all([...groups.values()].map(({ herd }) => herd.close()));
    },
  };
}

async function retire({ retire: ask }: LocalOptions, ref: GroupRef, herd: Herd, count: number): Promise<void> {
  const left = count - herd.callOff(count);
  if (left === 0) return;
  const leaving = await ask(ref, herd.staying(), left);
  herd.leaves(leaving);
  if (leaving.length >= left) return;
  const message = `${leaving.length} of ${left} agents leave when they are idle; the others are still starting`;
  throw new ProviderTrouble(message, { retryAfterMs: STARTING_MS });
}

/** What there is, and not what was asked for: a process that has died is missing. Only what there is no room for counts as there. */
function describe(
  { accountId, containerGroupId }: GroupRef,
  { herd, isStarted, wanted }: LocalGroup,
  isFull: boolean,
): Group {
  const fault = herd.takeFault();
  if (fault !== undefined) throw new ProviderTrouble(`An agent could not be started: ${fault}`);
  const there = herd.staying().length;
  const replicas = !isStarted || (isFull && there < wanted) ? wanted : there;
  const identity = `${accountId}/${containerGroupId}`;
  return { identity, name: 'this machine', status: isStarted ? 'RUNNING' : 'STOPPED', replicas };
}

function instanceOf(machineId: string): Instance {
  return { id: machineId, machineId, isRunning: true };
}
