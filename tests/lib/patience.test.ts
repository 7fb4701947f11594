import { expect, test } from 'vitest';
import { whenAborted } from '../../lib/pause.ts';
import { withPatience } from '../../lib/patience.ts';

const tooLate = () => new Error('too late');
const forEver = async (signal: AbortSignal): Promise<never> => {
  await whenAborted(signal, new AbortController().signal);
  throw signal.reason;
};

test('what comes in time is what it is, a failure too', async () => {
  const options = { ms: 60_000, tooLate, gone: undefined };
  expect(await withPatience(options, () => Promise.resolve('here'))).toBe('here');
  await expect(withPatience(options, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
});

test('what does not come is waited for no longer than that, and no longer than somebody waits for it', async () => {
  await expect(withPatience({ ms: 1, tooLate, gone: undefined }, forEver)).rejects.toThrow('too late');
  const leaving = new AbortController();
  const waiting = withPatience({ ms: 60_000, tooLate, gone: leaving.signal }, forEver);
  leaving.abort(new Error('hung up'));
  await expect(waiting).rejects.toThrow('hung up');
});
