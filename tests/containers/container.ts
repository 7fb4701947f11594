import { randomUUID } from 'node:crypto';
import { AS_HERE, LIMITS, ofThisRun, podman } from '../support/podman.ts';
import { startProgram, type TestProgram } from '../support/program.ts';

/** A container that runs, or has run: its output is that of the program. */
export interface Container extends TestProgram {
  name: string;
  /** To its process 1, as `docker kill` does. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** What a command in it prints. */
  run(...command: string[]): Promise<string>;
}

export interface ContainerOptions {
  image: string;
  command: readonly string[];
  environment?: Readonly<Record<string, string>>;
  /** Further words for `podman run`. */
  flags?: readonly string[];
}

/** A start is quick, but on a busy machine nothing is. */
const PATIENCE_MS = 60_000;

/** Starts a container on the network of this machine. It is removed when its process 1 has ended. */
export function startContainer(options: ContainerOptions): Container {
  const name = `kelpie-test-${randomUUID()}`;
  const variables = Object.entries(options.environment ?? {}).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  const words = [
    '--rm',
    '--network=host',
    '--name',
    name,
    ...ofThisRun(),
    ...LIMITS,
    ...variables,
    ...(options.flags ?? []),
  ];
  const program = startProgram('podman', [...AS_HERE, 'run', ...words, options.image, ...options.command], {
    environment: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/root' },
    workingDirectory: '/',
    patienceMs: PATIENCE_MS,
  });
  return {
    ...program,
    name,
    async kill(signal) {
      await podman(['kill', '--signal', signal, name]);
    },
    run: (...command) => podman(['exec', name, ...command]),
  };
}

/** Ends it, if it runs. */
export async function remove({ name, ended }: Container): Promise<void> {
  await podman(['rm', '--force', '--ignore', '--time', '0', name]);
  await ended;
}
