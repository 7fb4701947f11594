import { messageOf } from '../../../lib/errors.ts';
import type { Slots } from '../../../lib/slots.ts';
import type { GroupRef } from '../provider.ts';

/** An agent as a process of this machine, which stands for a machine of its own. */
export interface LocalProcess {
  /** Resolves when it can be asked to leave. */
  ready: Promise<unknown>;
  /** Resolves when it has ended, however. */
  ended: Promise<unknown>;
  /** Asks it to end in order. Resolves when it has. */
  stop(): Promise<void>;
}

/** The machines of one group. */
export interface Herd {
  /** Those that are not leaving, begun or not, by their names. */
  staying(): string[];
  /** How many there are, those that are leaving among them. */
  size(): number;
  add(count: number): void;
  /** Takes back at most so many machines whose processes were not begun yet. @returns how many */
  callOff(count: number): number;
  /** These leave by themselves as soon as they are idle, and count no more. */
  leaves(machineIds: readonly string[]): void;
  /** Ends one, in order. Resolves when it has ended; one that is gone is fine. */
  end(machineId: string): Promise<void>;
  /** Ends all, in order. */
  close(): Promise<void>;
  /** Why a process did not come up; told once. */
  takeFault(): string | undefined;
}

interface Machine {
  /** Aborted when it is to go. A process that was not begun by then is not begun. */
  leaving: AbortController;
  process?: LocalProcess;
  /** Resolves when nothing of it is left. */
  over: Promise<void>;
}

export interface HerdParts {
  spawn: (machineId: string, group: GroupRef) => Promise<LocalProcess>;
  /** Places for processes that start: each takes a processor for a while. */
  starts: Slots;
  /** Names a machine as none was before: bans and agents of former ones are known by their names. */
  nameNext: () => string;
}

export function createHerd(group: GroupRef, parts: HerdParts): Herd {
  const machines = new Map<string, Machine>();
  let fault: string | undefined;

  const end = async (machine: Machine): Promise<void> => {
    machine.leaving.abort(new Error('it is not needed any more'));
    await machine.process?.stop();
    await machine.over;
  };
  const staying = () => [...machines].filter(([, { leaving }]) => !leaving.signal.aborted);

  return {
    staying: () => staying().map(([machineId]) => machineId),
    size: () => machines.size,
    add(count) {
      for (let left = count; left > 0; left--) {
        const machineId = parts.nameNext();
        const machine: Machine = { leaving: new AbortController(), over: Promise.resolve() };
        machines.set(machineId, machine);
        machine.over = live(machine, () => parts.spawn(machineId, group), parts.starts).then((why) => {
          fault = why ?? fault;
          machines.delete(machineId);
        });
      }
    },
    callOff(count) {
      const notBegun = staying().filter(([, { process }]) => process === undefined);
      const some = count > 0 ? notBegun.slice(-count) : [];
      for (const [, { leaving }] of some) leaving.abort(new Error('it was called off'));
      return some.length;
    },
    leaves(machineIds) {
      for (const machineId of machineIds) machines.get(machineId)?.leaving.abort(new Error('it leaves'));
    },
    async end(machineId) {
      const machine = machines.get(machineId);
      if (machine !== undefined) await end(machine);
    },
    async close() {
      await Promise.all([...machines.values()].map(end));
    },
    takeFault() {
      const told = fault;
      fault = undefined;
      return told;
    },
  };
}

/** From its turn to start until it has ended. Never rejects. @returns why it did not come up, if it was to */
async function live(machine: Machine, spawn: () => Promise<LocalProcess>, starts: Slots): Promise<string | undefined> {
  const isLeaving = () => machine.leaving.signal.aborted;
  try {
    await starts.hold(machine.leaving.signal, async () => {
      machine.process = await spawn();
      if (isLeaving()) await machine.process.stop();
      else await comesUp(machine.process);
    });
  } catch (error) {
    if (!isLeaving()) return messageOf(error);
  } finally {
    await machine.process?.ended;
  }
  return undefined;
}

/** @throws when it has ended before it was ready */
async function comesUp({ ready, ended }: LocalProcess): Promise<void> {
  await Promise.race([
    ready,
    ended.then(() => {
      throw new Error('it ended before it was ready');
    }),
  ]);
}
