import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMetadataService, MetadataRefusal } from '../../agent/imds.ts';
import { freePort, listenLocally } from '../../lib/port.ts';
import { startMetadataService, type TestMetadataService } from '../support/metadata-service.ts';

const never = new AbortController().signal;
let salad: TestMetadataService;
beforeEach(async () => {
  salad = await startMetadataService();
});
afterEach(() => salad.close());

test('asks as the service’s document says', async () => {
  salad.token = () => 'a.b-c_d.e';
  const service = createMetadataService(`${salad.url}/`);
  await service.setDeletionCost(17, never);
  await service.reallocate('it is broken', never);
  await service.recreate(never);
  expect(await service.token(never)).toBe('a.b-c_d.e');
  expect(salad.asked).toEqual([
    { what: 'PUT /v1/deletion-cost', metadata: 'true', body: { deletion_cost: 17 } },
    { what: 'POST /v1/reallocate', metadata: 'true', body: { reason: 'it is broken' } },
    { what: 'POST /v1/recreate', metadata: 'true', body: undefined },
    { what: 'GET /v1/token', metadata: 'true', body: undefined },
  ]);
});

test('a refusal tells its status, and follows nobody elsewhere', async () => {
  salad.meddle = (_asked, response) => {
    response.writeHead(302, { Location: `${salad.url}/elsewhere` }).end('secret');
    return true;
  };
  const refusal = createMetadataService(salad.url).recreate(never);
  await expect(refusal).rejects.toThrow(MetadataRefusal);
  await expect(refusal).rejects.toThrow(/^POST \/v1\/recreate was answered with status 302$/);
  expect(salad.asked).toHaveLength(1);
});

test.each(['{"jwt": ""}', '{"jwt": "two\\r\\nlines"}', '{"token": "secret"}', 'secret', '"secret"'])(
  'what is no token is refused without being shown: %s',
  async (text) => {
    salad.meddle = (_asked, response) => {
      response.end(text);
      return true;
    };
    const fault = await createMetadataService(salad.url)
      .token(never)
      .catch((error: unknown) => error);
    expect(fault).toEqual(new Error('GET /v1/token was answered with something else than {"jwt": "…"}'));
    expect(fault).not.toHaveProperty('cause');
  },
);

test('an answer without end is not read to its end', async () => {
  const closed = Promise.withResolvers<undefined>();
  salad.meddle = (_asked, response) => {
    response.on('close', () => closed.resolve(undefined));
    const pour = () => {
      while (!response.destroyed && response.write('x'.repeat(8192)));
    };
    response.on('drain', pour);
    pour();
    return true;
  };
  await expect(createMetadataService(salad.url).token(never)).rejects.toThrow(/at most 65536 bytes/);
  await closed.promise;
});

test('somebody who does not answer, or is not there, is given up', async () => {
  salad.meddle = () => true;
  const service = createMetadataService(salad.url);
  await expect(service.recreate(AbortSignal.timeout(50))).rejects.toThrow('POST /v1/recreate was not answered');
  await expect(service.recreate(never)).rejects.toThrow('POST /v1/recreate was not answered: no answer within 2000 ms');
  const nobody = createMetadataService(`http://127.0.0.1:${await freePort()}`);
  await expect(nobody.recreate(never)).rejects.toThrow(/ECONNREFUSED/);
});

test('who changes the protocol has not answered', async () => {
  salad.meddle = (_asked, response) => {
    response.writeHead(101, { Connection: 'Upgrade', Upgrade: 'other' }).end();
    return true;
  };
  await expect(createMetadataService(salad.url).recreate(never)).rejects.toThrow('ended without an answer');
});

test('no proxy of the environment is asked', async ({ onTestFinished }) => {
  const proxied: string[] = [];
  const proxy = createServer().on('connect', ({ url = '' }, socket) => {
    proxied.push(url);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  const port = await listenLocally(proxy);
  onTestFinished(() => void proxy.close());
  const url = `http://127.0.0.1:${port}`;
  const imds = join(import.meta.dirname, '../../agent/imds.ts');
  const script = `
    import { createMetadataService } from ${JSON.stringify(imds)};
    await createMetadataService('${salad.url}').recreate(AbortSignal.timeout(10_000));
    await fetch('${salad.url}').catch(() => undefined);`;
  const environment = { PATH: process.env['PATH'], NODE_USE_ENV_PROXY: '1', HTTP_PROXY: url, http_proxy: url };
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: environment,
    timeout: 20_000,
  });
  expect(salad.asked.map(({ what }) => what)).toEqual(['POST /v1/recreate']);
  // Others did ask it, so there was one.
  expect(proxied).toEqual([new URL(salad.url).host]);
});
