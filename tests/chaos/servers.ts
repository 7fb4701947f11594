import { join } from 'node:path';
import { isAborted, pause } from '../../lib/pause.ts';
import { freePort } from '../../lib/port.ts';
import { type Child, startChild } from './processes.ts';

/** The servers, each on a port of its own that it keeps. One that ends is started again, as a supervisor would. */
export interface Servers {
  count: number;
  /** Ports of those that listen. */
  ports(): number[];
  /** SIGKILL, and back after so many milliseconds, or when `hurry` is aborted. */
  kill(index: number, backAfterMs: number, hurry: AbortSignal): Promise<void>;
  /** One after the other: SIGTERM, wait for its end, start. */
  roll(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServersParts {
  count: number;
  directory: string;
  environment: Record<string, string>;
  /** One has ended by itself, or did not come up. */
  onDeath: (what: string) => void;
}

interface Server {
  name: string;
  port: number;
  child: Child | undefined;
  isUp: boolean;
  /** What is done to one server is done in turn. */
  turn: Promise<void>;
}

/** A killed server comes back where it was, so that nobody else may want its port meanwhile: not another run, nor the system. */
const ownPorts = 10_000 + (process.pid % 2_000) * 10;

export async function startServers(parts: ServersParts): Promise<Servers> {
  const stopping = new AbortController();
  const servers: Server[] = [];
  for (let index = 0; index < parts.count; index++) {
    const port = await freePort(ownPorts + index * 10);
    servers.push({ name: `server-${index}`, port, child: undefined, isUp: false, turn: Promise.resolve() });
  }
  const inTurn = (server: Server, work: () => Promise<void>): Promise<void> => (server.turn = server.turn.then(work));
  const start = (server: Server): Promise<void> => bringUp(server, parts, stopping.signal, () => again(server));
  function again(server: Server): void {
    inTurn(server, () => start(server)).catch((error: unknown) => parts.onDeath(String(error)));
  }
  try {
    // The first one makes the schema.
    for (const server of servers) await start(server);
  } catch (error) {
    await end();
    throw error;
  }

  async function end(): Promise<void> {
    stopping.abort();
    await Promise.all(servers.map(async ({ child }) => child?.kill()));
  }
  return {
    count: parts.count,
    ports: () => servers.filter(({ isUp }) => isUp).map(({ port }) => port),
    async kill(index, backAfterMs, hurry) {
      const server = servers[index % servers.length];
      if (server === undefined) return;
      await inTurn(server, async () => {
        server.isUp = false;
        await server.child?.kill();
        await pause(backAfterMs, hurry);
        await start(server);
      });
    },
    async roll() {
      for (const server of servers) {
        await inTurn(server, async () => {
          // A balancer sends nobody there any more, before it ends.
          server.isUp = false;
          await server.child?.stop();
          await start(server);
        });
      }
    },
    stop: end,
  };
}

const READY_MS = 20_000;
const AGAIN_AFTER_MS = 300;
const MOST_TRIES = 40;

/** Starts it, again and again while the database is away. Rejects when it does not come up at all. */
async function bringUp(
  server: Server,
  { directory, environment, onDeath }: ServersParts,
  stopping: AbortSignal,
  again: () => void,
): Promise<void> {
  for (let tries = 0; !stopping.aborted; tries++) {
    const child = startChild(server.name, ['server/main.ts'], {
      log: join(directory, `${server.name}-${Date.now()}.log`),
      environment: { ...environment, KELPIE_PORT: String(server.port) },
    });
    server.child = child;
    try {
      await child.line((text) => text.includes('"msg":"Listening"'), AbortSignal.timeout(READY_MS));
      server.isUp = true;
      void child.ended.then((lastWords) => {
        if (server.child !== child || !server.isUp || stopping.aborted) return;
        server.isUp = false;
        onDeath(`${server.name}: ${lastWords}`);
        again();
      });
      return;
    } catch (error) {
      await child.kill();
      if (isAborted(stopping)) return;
      if (tries === MOST_TRIES) throw new Error(`${server.name} did not come up: ${String(error)}`, { cause: error });
      await pause(AGAIN_AFTER_MS, stopping);
    }
  }
}
