import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedAnswer, readHead } from '../../../agent/sync/answer-head.ts';

const read = (text: string) => readHead(Buffer.from(text, 'latin1'));
const OK = 'HTTP/1.1 206 Partial Content\r\nETag: "a"\r\nContent-Length: 12\r\nX-A: 1\r\nx-a: 2\r\n\r\n';

describe('the head of an answer', () => {
  it('says status, headers and where the body begins, and how long it is', () => {
    expect(read(`${OK}body`)).toEqual({
      head: {
        status: 206,
        statusMessage: 'Partial Content',
        headers: { etag: '"a"', 'content-length': '12', 'x-a': '1, 2' },
        size: 12,
        keepsAlive: true,
      },
      bodyAt: OK.length,
    });
  });

  it('is waited for until it is whole, wherever it is cut, and then is the same whatever follows', () => {
    fc.assert(
      fc.property(fc.nat(OK.length - 1), fc.string(), (cut, more) => {
        expect(read(OK.slice(0, cut))).toBeUndefined();
        expect(read(OK + more)).toEqual(read(OK));
      }),
    );
  });

  it('comes after any answers in between', () => {
    expect(read(`HTTP/1.1 100 Continue\r\n\r\n${OK}`)).toEqual({ ...read(OK), bodyAt: OK.length + 25 });
    expect(read('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200')).toBeUndefined();
  });

  it.each([
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n', undefined, true],
    ['HTTP/1.1 200 OK\r\n\r\n', undefined, true],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', 0, true],
    ['HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n', 0, false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n', 1, false],
  ])('says how the body ends: %j', (text, size, keepsAlive) => {
    expect(read(text)?.head).toMatchObject({ keepsAlive });
    expect(read(text)?.head.size).toBe(size);
  });

  it.each([
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1 OK\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nA: b\r\n goes on\r\n\r\n',
    'HTTP/1.1 200 OK\r\nno header\r\n\r\n',
    `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(20_000)}`,
    `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`,
  ])('that cannot be trusted is refused: %j', (text) => {
    expect(() => read(text)).toThrow(MalformedAnswer);
  });
});
