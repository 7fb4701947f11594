import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

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
    server.listen({ port, host: '127.0.0.1' });
    await once(server, 'listening');
    const { port: found } = server.address() as AddressInfo; // A TCP server's address is never a pipe's name.
    server.close();
    await once(server, 'close');
    return found;
  } catch {
    return undefined;
  }
}
