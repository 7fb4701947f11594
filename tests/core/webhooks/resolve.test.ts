import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createResolve } from '../../../core/webhooks/resolve.ts';

/** A name server on loopback; `undefined` answers nothing. */
async function nameServer(answer: (name: string, type: number) => number[] | undefined): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (question, from) => {
    const { name, type, end } = asked(question);
    const address = answer(name, type);
    if (address === undefined) return;
    const head = Buffer.from(question.subarray(0, end));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(address.length > 0 ? 1 : 0, 6);
    head.writeUInt32BE(0, 8);
    const record = [0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 60, 0, address.length, ...address];
    socket.send(Buffer.concat([head, Buffer.from(address.length > 0 ? record : [])]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

function asked(question: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = question[at]!; length > 0; length = question[at]!) {
    labels.push(question.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: question.readUInt16BE(at + 1), end: at + 5 };
}

const A = 1;
const LOOPBACK_6 = [...Array<number>(15).fill(0), 1];

describe('a name', () => {
  test('has all its addresses, of both kinds', async () => {
    const server = await nameServer((_name, type) => (type === A ? [192, 0, 2, 7] : LOOPBACK_6));
    expect(await createResolve({ servers: [server] })('both.example')).toEqual([
      { address: '192.0.2.7', family: 4 },
      { address: '::1', family: 6 },
    ]);
  });

  test('of one kind only is as good, and one of none is an error', async () => {
    const server = await nameServer((name, type) => (name.startsWith('four') && type === A ? [192, 0, 2, 7] : []));
    const resolve = createResolve({ servers: [server] });
    expect(await resolve('four.example')).toEqual([{ address: '192.0.2.7', family: 4 }]);
    await expect(resolve('none.example')).rejects.toMatchObject({ code: 'ENODATA' });
  });

  test('in the hosts file is asked of nobody', async () => {
    const names: string[] = [];
    const server = await nameServer((name) => {
      names.push(name);
      return [];
    });
    const file = await readFile('/etc/hosts', 'utf8');
    const known = [hostname(), 'localhost'].find((name) => new RegExp(`^[^#]*\\s${name}(\\s|$)`, 'm').test(file));
    expect(known).toBeDefined();
    expect(await createResolve({ servers: [server] })(known!.toUpperCase())).not.toEqual([]);
    expect(names).toEqual([]);
  });
});

test('a name server that says nothing is left when the signal says so, and keeps nobody else waiting meanwhile', async () => {
  const arrived = Promise.withResolvers<undefined>();
  const server = await nameServer(() => {
    arrived.resolve(undefined);
    return undefined;
  });
  const resolve = createResolve({ servers: [server] });
  const over = new AbortController();
  const waiting = Array.from({ length: 64 }, (_, index) => resolve(`slow-${index}.example`, over.signal));
  const settled = Promise.allSettled(waiting);
  await arrived.promise;
  // Both need one of the process's few threads.
  await Promise.all([lookup('localhost'), readFile(import.meta.filename)]);
  over.abort();
  expect(new Set((await settled).map((result) => result.status))).toEqual(new Set(['rejected']));
});
