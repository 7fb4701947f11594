import { createServer, type RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { parseRanges, type Resolve } from '../../../core/webhooks/guard.ts';
import { post, type Post } from '../../../core/webhooks/post.ts';
import { listenLocally } from '../../../lib/port.ts';

const loopback = parseRanges('127.0.0.0/8');

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  const port = await listenLocally(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return port; // A TCP server's address is never a pipe's name.
}

const unknown: Resolve = () => Promise.reject(new Error('No name was expected'));

function sent(part: Partial<Post> & { url: string }): Post {
  return {
    resolve: unknown,
    headers: {},
    body: '{}',
    secrets: [],
    signal: AbortSignal.timeout(10_000),
    allowed: loopback,
    ...part,
  };
}

test('the answer is its status, how long to wait, and the beginning of its body', async () => {
  const port = await serve((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      response.writeHead(503, { 'Retry-After': '7' });
      response.end(`${String(request.headers['x-one'])} ${request.headers.host} ${body} ${'x'.repeat(5_000)}`);
    });
  });
  const answer = await post(sent({ url: `http://127.0.0.1:${port}/`, headers: { 'X-One': '1' }, body: '{"a":1}' }));
  expect(answer).toMatchObject({ status: 503, retryAfter: '7' });
  expect(answer.body).toHaveLength(1_024);
  expect(answer.body).toMatch(new RegExp(`^1 127.0.0.1:${port} {"a":1} xxx`));
});

test('the connection goes to the address that was checked, whatever the name means a moment later', async () => {
  const port = await serve((request, response) => response.end(request.headers.host));
  let asked = 0;
  const rebinding: Resolve = async () => {
    asked += 1;
    return [{ address: asked === 1 ? '127.0.0.1' : '10.255.255.1', family: 4 }];
  };
  const answer = await post(sent({ url: `http://rebinding.example:${port}/`, resolve: rebinding }));
  expect(answer).toEqual({ status: 200, retryAfter: undefined, body: `rebinding.example:${port}` });
  expect(asked).toBe(1);
});

test('a name that means a private address by now is refused, and nothing is sent', async () => {
  let requests = 0;
  const port = await serve((_request, response) => {
    requests += 1;
    response.end();
  });
  const answers = ['1.1.1.1', '127.0.0.1'];
  const rebinding: Resolve = async () => [{ address: answers.pop() ?? '', family: 4 }];
  const request = post(sent({ url: `http://rebinding.example:${port}/`, resolve: rebinding, allowed: [] }));
  await expect(request).rejects.toThrow('Refused: rebinding.example');
  expect(requests).toBe(0);
});

test('a redirect is an answer like any other', async () => {
  const port = await serve((_request, response) => response.writeHead(307, { Location: 'http://127.0.0.1/' }).end());
  expect(await post(sent({ url: `http://127.0.0.1:${port}/` }))).toMatchObject({ status: 307 });
});

test('an answer without an end is read no further than what is kept, and its connection is closed', async () => {
  const closed = Promise.withResolvers<undefined>();
  const port = await serve((_request, response) => {
    response.once('close', () => closed.resolve(undefined));
    response.write('y'.repeat(2_000));
  });
  expect((await post(sent({ url: `http://127.0.0.1:${port}/` }))).body).toBe('y'.repeat(1_024));
  await closed.promise;
});

test('a receiver that says nothing is given up when the signal says so', async () => {
  const port = await serve(() => undefined);
  const over = new AbortController();
  const request = post(sent({ url: `http://127.0.0.1:${port}/`, signal: over.signal }));
  over.abort(new Error('15 s are over'));
  await expect(request).rejects.toThrow();
});

test('a name that is never resolved is given up when the signal says so', async () => {
  const resolve: Resolve = () => new Promise(() => undefined);
  const request = post(sent({ url: 'http://slow.example/', resolve, signal: AbortSignal.timeout(20) }));
  await expect(request).rejects.toThrow('timeout');
});

test('a receiver that breaks off in its answer is an error', async () => {
  const port = await serve((_request, response) => {
    response.writeHead(200, { 'Content-Length': '100' });
    response.write('half', () => response.destroy());
  });
  await expect(post(sent({ url: `http://127.0.0.1:${port}/` }))).rejects.toThrow();
});
