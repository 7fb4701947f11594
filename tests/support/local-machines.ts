import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { retireAgents } from '../../core/agents/retire.ts';
import { createLocalMachines } from '../../deploy/local/machines.ts';
import type { TestApp } from './app.ts';
import { killMarked, processesMarked } from './program.ts';

/** A provider whose machines are real agents of the app, as processes. */
export async function startLocalMachines(app: TestApp, agentKey: string, group: string) {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-machines-'));
  const provider = createLocalMachines({
    ...{ directory, url: app.url, key: agentKey },
    // Nobody is there: these jobs have nothing to sync.
    s3Url: 'http://127.0.0.1:9',
    has: ({ containerGroupId }) => containerGroupId === group,
    retire: (...asked) => retireAgents(app.core, ...asked),
  });
  return {
    provider,
    /** Agents, and what they run. */
    processes: () => processesMarked(directory),
    async clear() {
      await provider.close();
      await killMarked(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
