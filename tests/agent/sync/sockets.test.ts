import { afterAll, beforeEach, expect, test } from 'vitest';
import { createS3Store } from '../../../agent/sync/s3.ts';
import { anyOf } from '../../../lib/signals.ts';
import { openLink } from '../../chaos/proxy.ts';
import { always, benchOfFile, BUCKET, eventually } from './support/bench.ts';

const bench = await benchOfFile();
const line = await openLink(() => Number(new URL(bench.relay.url).port));
let beforeSending: () => void;
const store = createS3Store({
  endpoint: `http://127.0.0.1:${line.port}`,
  region: 'us-east-1',
  beforeSending: () => beforeSending(),
});

afterAll(async () => {
  store.close();
  line.set({ is: 'CUT' });
  await line.close();
});
beforeEach(() => {
  beforeSending = () => undefined;
});

const put = (key: string, bytes: number, signal: AbortSignal = always) =>
  store.put({ bucket: BUCKET, key }, Buffer.alloc(bytes, 'x'), { contentType: 'text/plain' }, signal);

const putsOf = (key: string) => bench.relay.seen.filter((seen) => seen.key === key).length;

test('what was on its way when it was given up does not arrive once the line is better', async () => {
  await put('line/before', 10);
  line.set({ is: 'HELD' });
  const sent = Promise.withResolvers<undefined>();
  beforeSending = () => setImmediate(() => sent.resolve(undefined));
  const abort = new AbortController();
  const given = put('line/given-up', 100_000, abort.signal);
  const refused = expect(given).rejects.toThrow();
  await sent.promise;
  abort.abort();
  await refused;
  // While this goes to the store and back past the line, what was reset here is known at the line's other side.
  await bench.put('line/meanwhile', 'x');
  line.set({ is: 'OPEN' });
  await put('line/after', 10);
  expect(await bench.keys('line/')).toEqual(['line/after', 'line/before', 'line/meanwhile']);
  expect(putsOf('line/given-up')).toBe(0);
});

test('nothing is sent of what is given up immediately before', async () => {
  const abort = new AbortController();
  beforeSending = () => abort.abort();
  // On a connection that is kept alive, and on a new one.
  await expect(put('late/a', 10, abort.signal)).rejects.toThrow();
  store.close();
  await expect(put('late/b', 10, anyOf(abort.signal))).rejects.toThrow();
  beforeSending = () => undefined;
  await put('late/c', 10);
  await eventually(() => putsOf('late/c') === 1);
  expect(bench.relay.seen.map(({ key }) => key)).toEqual(['late/c']);
});

test('a large body can be given up between two pieces of it', async () => {
  const abort = new AbortController();
  let pieces = 0;
  beforeSending = () => {
    pieces += 1;
    if (pieces === 8) abort.abort();
  };
  await expect(put('pieces/a', 8 * 2 ** 20, abort.signal)).rejects.toThrow();
  beforeSending = () => undefined;
  await put('pieces/b', 10);
  expect(await bench.keys('pieces/')).toEqual(['pieces/b']);
});
