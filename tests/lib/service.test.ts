import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, expect, test } from 'vitest';
import { periodic, type Periodic } from '../../lib/service.ts';
import { until } from '../support/until.ts';

const services: Periodic[] = [];
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
});

/** Something that works by itself, for as long as a run's `finish` says. */
function counting(options: { everyMs?: number; run?: (turn: number) => Promise<unknown> } = {}) {
  const seen = { turns: 0, atOnce: 0, most: 0, errors: [] as Error[] };
  const service = periodic({
    name: 'counting',
    everyMs: options.everyMs ?? 3_600_000,
    runOnce: async () => {
      seen.turns += 1;
      seen.most = Math.max(seen.most, ++seen.atOnce);
      try {
        await options.run?.(seen.turns);
      } finally {
        seen.atOnce -= 1;
      }
    },
    onError: (error) => seen.errors.push(error),
  });
  services.push(service);
  return { service, seen };
}

/** A promise and the hand that settles it. */
function gate(): { passed: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

test('it runs at once when it starts, and again and again', async () => {
  const { service, seen } = counting({ everyMs: 1 });
  expect(seen.turns).toBe(0);
  service.start();
  await until('five turns', () => seen.turns >= 5);
});

test('a poke runs it without waiting for its time', async () => {
  const { service, seen } = counting();
  service.start();
  await until('the first turn', () => seen.turns === 1 && seen.atOnce === 0);
  service.poke();
  await until('the second turn', () => seen.turns === 2);
});

test('pokes during a run become one more run, and never two at a time', async () => {
  const first = gate();
  const { service, seen } = counting({ run: (turn) => (turn === 1 ? first.passed : Promise.resolve()) });
  service.start();
  for (let index = 0; index < 10; index++) service.poke();
  expect(seen.turns).toBe(1);
  first.open();
  await until('one more turn', () => seen.turns === 2 && seen.atOnce === 0);
  await service.stop();
  expect([seen.turns, seen.most]).toEqual([2, 1]);
});

test('an error is told with the service’s name, and the next turn comes all the same', async () => {
  const { service, seen } = counting({
    everyMs: 1,
    run: (turn) => (turn === 1 ? Promise.reject(new Error('no luck')) : Promise.resolve()),
  });
  service.start();
  await until('a turn after the error', () => seen.turns >= 3);
  expect(seen.errors.map((error) => error.message)).toEqual(['counting: no luck']);
});

test('stopping waits for the run in progress, and nothing runs after it', async () => {
  const first = gate();
  const { service, seen } = counting({ everyMs: 1, run: () => first.passed });
  service.start();
  service.poke();
  let stopped = false;
  const stopping = service.stop().then(() => (stopped = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(stopped).toBe(false);
  first.open();
  await stopping;
  service.poke();
  expect([seen.turns, seen.atOnce]).toEqual([1, 0]);
});

test('it can be started again', async () => {
  const { service, seen } = counting();
  service.start();
  await service.stop();
  const before = seen.turns;
  service.start();
  await until('a turn of its second life', () => seen.turns > before);
});

test('stopping what never ran is nothing', async () => {
  const { service, seen } = counting();
  service.poke();
  await service.stop();
  expect(seen.turns).toBe(0);
});

test('works on nobody’s behalf, whoever has poked it', async () => {
  const poker = new AsyncLocalStorage<string>();
  const behalf: unknown[] = [];
  const service = periodic({
    ...{ name: 'test', everyMs: 1, onError: () => undefined },
    runOnce: async () => void behalf.push(poker.getStore()),
  });
  poker.run('somebody', () => {
    service.start();
    service.poke();
  });
  await until('some turns', () => behalf.length > 3);
  await service.stop();
  expect(behalf.filter((one) => one !== undefined)).toEqual([]);
});
