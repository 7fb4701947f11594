import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, startProgram } from './program.ts';

/** The container group of those agents that are for no other. */
export const GROUP = 'local';

export interface AgentOptions {
  url: string;
  s3Url: string;
  key: string;
  /** Its container group (`GROUP`). */
  group?: string;
}

/** One more agent, on a machine of this name. It is ready when it has told that it is registered. */
export async function spawnAgent(
  name: string,
  at: AgentOptions,
  { directory }: { directory: string },
): Promise<Program> {
  const workingDirectory = join(directory, name);
  const temporary = join(workingDirectory, 'tmp');
  await mkdir(temporary, { recursive: true });
  return startProgram(name, ['agent/main.ts'], {
    log: join(directory, `${name}.log`),
    workingDirectory,
    environment: {
      // What a killed agent leaves behind goes with its machine.
      TMPDIR: temporary,
      KELPIE_API_URL: at.url,
      KELPIE_API_KEY: at.key,
      SALAD_MACHINE_ID: name,
      SALAD_CONTAINER_GROUP_ID: at.group ?? GROUP,
      SALAD_METADATA_URL: 'none',
      AWS_ENDPOINT_URL: at.s3Url,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_REGION: 'us-east-1',
      KELPIE_LOG_LEVEL: 'debug',
    },
  });
}

/** The line by which an agent tells that it is ready. */
export function isRegistered(text: string): boolean {
  return text.includes('"msg":"Registered"');
}
