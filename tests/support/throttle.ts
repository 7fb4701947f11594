import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pause } from '../../lib/pause.ts';

/** A line to a server on this machine over which only so much goes, in each direction. */
export interface ThrottledLine {
  url: string;
  close(): Promise<void>;
}

export async function openThrottledLine(server: string, bytesPerSecond: number): Promise<ThrottledLine> {
  const port = Number(new URL(server).port);
  const sockets = new Set<Socket>();
  const listener = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      void carry(from, to, bytesPerSecond);
    }
  });
  listener.listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  return {
    // A TCP server's address is never a pipe's name.
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

async function carry(from: Socket, to: Socket, bytesPerSecond: number): Promise<void> {
  try {
    for await (const piece of from as AsyncIterable<Buffer>) {
      to.write(piece);
      await pause((piece.length / bytesPerSecond) * 1000);
    }
    to.end();
  } catch {
    // Whoever closed it knows why.
  }
}
