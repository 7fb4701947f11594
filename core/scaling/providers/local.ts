import {
  type Group,
  GroupNotFound,
  type GroupRef,
  type Instance,
  type Provider,
  ProviderTrouble,
} from '../provider.ts';

/** An agent as a process of this machine, which stands for a machine of its own. */
export interface LocalProcess {
  /** Resolves when it has ended, however. */
  ended: Promise<unknown>;
  /** Asks it to end in order. */
  stop(): Promise<void>;
}

export interface LocalOptions {
  /** The one container group that this machine has, by its id. */
  containerGroupId: string;
  /** Starts an agent on a machine of this name; it need not be ready yet. */
  spawn: (machineId: string) => Promise<LocalProcess>;
  /** Lets so many of these machines' agents leave when they are idle. @returns whose do */
  retire: (group: GroupRef, machineIds: readonly string[], count: number) => Promise<string[]>;
  /** A process has ended that was not asked to: there is one too few. */
  onEnded?: (() => void) | undefined;
}

export interface LocalProvider extends Provider {
  /** Ends every process, in order. */
  close(): Promise<void>;
}

/** How soon agents that had not registered yet are asked to leave again, in milliseconds. */
const STARTING_MS = 1_000;

/** Child processes of this one as machines: a whole fleet on one machine. */
// eslint-disable-next-line max-lines-per-function -- one closure over the processes; its verbs are a line or two each
export function createLocalProvider(options: LocalOptions): LocalProvider {
  const machines = new Map<string, { process: LocalProcess; isRetiring: boolean }>();
  let counter = 0;
  let isStarted = false;
  let wanted = 0;
  let isClosed = false;

  const staying = () => [...machines].filter(([, { isRetiring }]) => !isRetiring).map(([machineId]) => machineId);
  const spawnOne = async (): Promise<void> => {
    const machineId = `local-${++counter}`;
    const process = await options.spawn(machineId);
    const machine = { process, isRetiring: false };
    machines.set(machineId, machine);
    void process.ended.then(() => {
      machines.delete(machineId);
      if (!machine.isRetiring && !isClosed) options.onEnded?.();
    });
  };
  const retire = async (group: GroupRef, count: number): Promise<void> => {
    const leaving = await options.retire(group, staying(), count);
    for (const machineId of leaving) {
      const machine = machines.get(machineId);
      if (machine !== undefined) machine.isRetiring = true;
    }
    if (leaving.length >= count) return;
    const message = `${leaving.length} of ${count} agents leave when they are idle; the others are still starting`;
    throw new ProviderTrouble(message, { retryAfterMs: STARTING_MS });
  };
  const resize = async (group: GroupRef, count: number, signal?: AbortSignal): Promise<void> => {
    const surplus = staying().length - count;
    if (surplus > 0) await retire(group, surplus);
    for (let missing = -surplus; missing > 0 && signal?.aborted !== true; missing--) await spawnOne();
  };

  return {
    name: 'local',
    get: async (group) => describe(group),
    async start(group, signal) {
      isStarted = true;
      await resize(group, wanted, signal);
    },
    async stop(group, _sparing, signal) {
      await resize(group, 0, signal);
      isStarted = false;
    },
    async setReplicas(group, count, _sparing, signal) {
      wanted = count;
      if (isStarted) await resize(group, count, signal);
    },
    instances: () => Promise.resolve([...machines.keys()].map(instanceOf)),
    async reallocate(_group, { id }) {
      const machine = machines.get(id);
      if (machine === undefined) return;
      machine.isRetiring = true;
      await Promise.all([machine.process.stop(), isClosed ? undefined : spawnOne()]);
    },
    async close() {
      isClosed = true;
      await Promise.all([...machines.values()].map(({ process }) => process.stop()));
    },
  };

  /** What runs, and not what was asked for: a process that has died is missing. */
  function describe({ containerGroupId }: GroupRef): Group {
    if (containerGroupId !== options.containerGroupId) {
      const { containerGroupId: own } = options;
      throw new GroupNotFound(`This machine has the container group ${own} and no other, got ${containerGroupId}`);
    }
    const status = isStarted ? 'RUNNING' : 'STOPPED';
    return { name: 'this machine', status, replicas: isStarted ? staying().length : wanted };
  }
}

function instanceOf(machineId: string): Instance {
  return { id: machineId, machineId, isRunning: true };
}
