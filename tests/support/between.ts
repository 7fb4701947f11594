import { once } from 'node:events';
import { createServer, connect, type Socket } from 'node:net';
import { listenLocally } from '../../lib/port.ts';
import { couple } from './proxy.ts';

/** Somebody between a server and its database, who passes everything on until told to fall silent; new connections are none of that. */
export async function between(databaseUrl: string) {
  const { port, hostname } = new URL(databaseUrl);
  const sockets: Socket[] = [];
  let isGarbling = false;
  const gate = createServer((near) => {
    const far = connect(Number(port), hostname);
    sockets.push(near, far);
    // Before it is passed on, and of the same length.
    near.on('data', (sent: Buffer) => {
      const at = sent.indexOf('notify');
      if (at < 0 || !isGarbling) return;
      sent.write('nought', at);
      isGarbling = false;
    });
    couple(near, far);
  });
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(await listenLocally(gate));
  return {
    url: url.href,
    /** The next announcement is nothing that the database understands. */
    garble: () => (isGarbling = true),
    silence: () => sockets.forEach((socket) => socket.unpipe().pause()),
    async close() {
      for (const socket of sockets) socket.destroy();
      gate.close();
      await once(gate, 'close');
    },
  };
}
