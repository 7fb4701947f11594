import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';

const NEIGHBOURS = 100;

/**
 * A TCP port that is free on 127.0.0.1 at this moment: `wanted`, or the next free one above it, or any.
 * Throws an Error when the wanted one and its neighbours are all taken.
 */
export async function freePort(wanted?: number): Promise<number> {
  if (wanted === undefined) return (await tryPort(0)) ?? freePort();
  const last = Math.min(wanted + NEIGHBOURS, 65_535);
  for (let port = wanted; port <= last; port += 1) {
    if ((await tryPort(port)) !== undefined) return port;
  }
  throw new Error(`expected a free port from ${wanted} to ${last} on 127.0.0.1, all are taken; ask for another one`);
}

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    const found = await listenLocally(server, port);
    server.close();
    await once(server, 'close');
    return found;
  } catch {
    return undefined;
  }
}

/**
 * Has a server listen on 127.0.0.1, at `port`, or at any that is free.
 * @returns its port
 * @throws when it can't be had
 */
export async function listenLocally(server: Server, port = 0): Promise<number> {
  server.listen({ port, host: '127.0.0.1' });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port; // A TCP server's address is never a pipe's name.
}
