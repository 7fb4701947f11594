import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMetadataService } from '../../agent/imds.ts';
import { createInstance, type Instance } from '../../agent/instance.ts';
import { freePort } from '../../lib/port.ts';
import { startMetadataService, type TestMetadataService } from '../support/metadata-service.ts';
import { until } from '../support/until.ts';

const COST = 'PUT /v1/deletion-cost';
const never = new AbortController().signal;
let salad: TestMetadataService;
let lines: { level: number; msg: string }[];
let instance: Instance | undefined;
beforeEach(async () => {
  salad = await startMetadataService();
  lines = [];
});
afterEach(async () => {
  instance?.stop();
  await salad.close();
});

function start(url = salad.url, isExpected = false): Instance {
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line) as never) });
  return (instance = createInstance({ service: createMetadataService(url), isExpected, log }));
}

/** From now on requests are answered only when it is called; `arrived` resolves with the first of them. */
function hold() {
  const arrived = Promise.withResolvers<undefined>();
  const released = Promise.withResolvers<undefined>();
  let atOnce = 0;
  let most = 0;
  salad.meddle = async () => {
    most = Math.max(most, ++atOnce);
    arrived.resolve(undefined);
    await released.promise;
    atOnce -= 1;
    return false;
  };
  return { arrived: arrived.promise, release: () => released.resolve(undefined), most: () => most };
}

test('says once at its start that it is idle, and then whatever it costs', async () => {
  const agent = start();
  await salad.hears(COST);
  agent.costs(0);
  agent.costs(5);
  await salad.hears(COST, 2);
  agent.costs(5);
  agent.costs(999_999_999);
  await salad.hears(COST, 3);
  agent.costs(0);
  await salad.hears(COST, 4);
  expect(salad.costs()).toEqual([0, 5, 999_999_999, 0]);
});

test('while a request is on its way only the latest cost is kept, and none overtakes another', async () => {
  const agent = start();
  await salad.hears(COST);
  const { arrived, release, most } = hold();
  agent.costs(1);
  await arrived;
  for (let cost = 2; cost <= 100; cost++) agent.costs(cost);
  const granted = agent.reallocate('it is broken', never);
  release();
  expect(await granted).toBe(true);
  await salad.hears(COST, 3);
  expect(salad.costs()).toEqual([0, 1, 100]);
  expect(most()).toBe(1);
});

test('a cost that could not be told is told again, as it then is', async () => {
  const agent = start();
  await salad.hears(COST);
  let failures = 2;
  salad.meddle = (_asked, response) => {
    if (failures-- <= 0) return false;
    if (failures === 1) agent.costs(8);
    response.writeHead(500).end();
    return true;
  };
  agent.costs(7);
  await salad.hears(COST, 4);
  expect(salad.costs()).toEqual([0, 7, 8, 8]);
  expect(lines.filter(({ msg }) => msg.includes('could not be told')).map(({ level }) => level)).toEqual([20, 20]);
});

test('a cost that was told without an answer may be known, so the one before it is told again', async () => {
  const agent = start();
  await salad.hears(COST);
  salad.meddle = ({ body }) => JSON.stringify(body) !== '{"deletion_cost":0}';
  agent.costs(999_999_999);
  await salad.hears(COST, 2);
  agent.costs(0);
  await salad.hears(COST, 3);
  expect(salad.costs()).toEqual([0, 999_999_999, 0]);
});

test('a service that is out of order at the start is told later', async () => {
  let isOutOfOrder = true;
  salad.meddle = (_asked, response) => {
    if (isOutOfOrder) response.writeHead(503).end();
    return isOutOfOrder;
  };
  const agent = start();
  await salad.hears(COST, 2);
  isOutOfOrder = false;
  agent.costs(3);
  await until('the cost to be told', () => salad.costs().at(-1) === 3);
});

test.each([
  ['nobody listens', async () => `http://127.0.0.1:${await freePort()}`],
  ['it is another service', async () => `${salad.url}/latest`],
  [
    'it swallows everything',
    async () => {
      salad.meddle = () => true;
      return salad.url;
    },
  ],
])('where %s this is noted once, and nobody is asked again', async (_what, address) => {
  const agent = start(await address());
  agent.costs(1);
  const begin = performance.now();
  expect(await Promise.all([agent.reallocate('it is broken', never), agent.recreate(never)])).toEqual([false, false]);
  expect(performance.now() - begin).toBeLessThan(1900);
  agent.costs(2);
  expect(salad.asked.length).toBeLessThanOrEqual(1);
  expect(lines).toMatchObject([{ level: 30, msg: expect.stringContaining('not here') as string }]);
});

test('a service that must be there is not given up for being late', async () => {
  salad.meddle = () => true;
  const agent = start(salad.url, true);
  await salad.hears(COST, 2);
  salad.meddle = undefined;
  agent.costs(3);
  await salad.hears(COST, 3);
  expect(await agent.reallocate('it is broken', never)).toBe(true);
  expect(salad.costs()).toEqual([0, 0, 3]);
});

test('who has no service is never told anything', async () => {
  const nowhere = createInstance({ service: undefined, isExpected: false, log: pino({ level: 'silent' }) });
  nowhere.costs(1);
  expect(await nowhere.reallocate('it is broken', never)).toBe(false);
  expect(await nowhere.recreate(never)).toBe(false);
});

test('a demand is made three times, and then given up', async () => {
  const agent = start();
  await salad.hears(COST);
  salad.meddle = (_asked, response) => {
    response.writeHead(500).end();
    return true;
  };
  expect(await agent.recreate(never)).toBe(false);
  expect(salad.asked.filter(({ what }) => what === 'POST /v1/recreate')).toHaveLength(3);
  salad.meddle = undefined;
  expect(await agent.recreate(never)).toBe(true);
});

test('a demand ends with the patience of who makes it', async () => {
  const agent = start();
  await salad.hears(COST);
  salad.meddle = () => true;
  const patience = new AbortController();
  const demanded = agent.recreate(patience.signal);
  await salad.hears('POST /v1/recreate');
  patience.abort();
  expect(await demanded).toBe(false);
  expect(await agent.recreate(patience.signal)).toBe(false);
  expect(salad.asked).toHaveLength(2);
});

test('says nothing after its end', async () => {
  const agent = start();
  expect(await agent.reallocate('it is broken', never)).toBe(true);
  agent.stop();
  agent.costs(1);
  // Requests go one after the other, so the cost would be told before this.
  expect(await agent.recreate(never)).toBe(true);
  expect(salad.costs()).toEqual([0]);
});
