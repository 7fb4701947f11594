import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { pause } from '../../lib/pause.ts';
import { anyOf } from '../../lib/signals.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

it('is aborted with any of its sources, for that reason', () => {
  const one = new AbortController();
  const other = new AbortController();
  const either = anyOf(one.signal, other.signal);
  expect(either.aborted).toBe(false);
  other.abort(new Error('enough'));
  expect(either.reason).toEqual(new Error('enough'));
});

it('comes although nobody listens and nobody else holds the time limit that it is made of', async () => {
  const either = anyOf(new AbortController().signal, AbortSignal.timeout(100));
  const nested = anyOf(either);
  await pause(10);
  collectGarbage();
  await expect.poll(() => nested.aborted).toBe(true);
});
