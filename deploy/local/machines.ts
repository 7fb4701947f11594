import { mkdir, rm } from 'node:fs/promises';
import { createLocalProvider, type LocalOptions, type LocalProvider } from '../../core/scaling/providers/local.ts';
import { isRegistered, spawnAgent } from './agent.ts';

export interface LocalMachinesOptions extends Pick<LocalOptions, 'has' | 'retire' | 'room'> {
  /** For the agents' logs and working directories. What is there goes before the first one starts. */
  directory: string;
  url: string;
  s3Url: string;
  /** An agent's key, of the account whose groups these are. */
  key: string;
}

/** Real agents, each a process of this machine, which come and go as scaling rules want it. */
export function createLocalMachines({ directory, url, s3Url, key, ...rest }: LocalMachinesOptions): LocalProvider {
  const prepared = rm(directory, { recursive: true, force: true }).then(() => mkdir(directory, { recursive: true }));
  // It is told to whoever starts an agent.
  prepared.catch(() => undefined);
  return createLocalProvider({
    ...rest,
    async spawn(machineId, { containerGroupId }) {
      await prepared;
      const agent = await spawnAgent(machineId, { url, s3Url, key, group: containerGroupId }, { directory });
      const ready = agent.line(isRegistered);
      // One that has ended before is told by its end.
      ready.catch(() => undefined);
      return { ready, ended: agent.ended, stop: () => agent.stop() };
    },
  });
}
