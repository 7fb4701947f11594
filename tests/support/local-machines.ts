import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { retireAgents } from '../../core/agents/retire.ts';
import { createLocalProvider, type LocalProvider } from '../../core/scaling/providers/local.ts';
import type { TestApp } from './app.ts';
import { startProgram } from './program.ts';

const AGENT = join(import.meta.dirname, '../../agent/main.ts');

/** A provider whose machines are real agents of the app, as processes. */
export async function startLocalMachines(app: TestApp, agentKey: string, group: string) {
  const folder = await mkdtemp(join(tmpdir(), 'kelpie-machines-'));
  const alive = new Set<{ vanish(): Promise<void> }>();
  const provider: LocalProvider = createLocalProvider({
    containerGroupId: group,
    retire: (of, machineIds, count) => retireAgents(app.core, of, machineIds, count),
    async spawn(machineId) {
      const workingDirectory = join(folder, machineId);
      await mkdir(workingDirectory);
      const program = startProgram(process.execPath, [AGENT], {
        workingDirectory,
        environment: {
          PATH: process.env['PATH'] ?? '',
          TMPDIR: workingDirectory,
          KELPIE_API_URL: app.url,
          KELPIE_API_KEY: agentKey,
          SALAD_MACHINE_ID: machineId,
          SALAD_CONTAINER_GROUP_ID: group,
          SALAD_METADATA_URL: 'none',
          AWS_REGION: 'us-east-1',
        },
      });
      alive.add(program);
      const ended = program.ended.then(() => alive.delete(program));
      return {
        ended,
        stop: async () => {
          if (alive.has(program)) program.signal('SIGTERM');
          await ended;
        },
      };
    },
  });
  return {
    provider,
    running: () => alive.size,
    async clear() {
      await Promise.all([...alive].map((program) => program.vanish()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
