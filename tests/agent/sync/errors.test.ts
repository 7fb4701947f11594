import { open } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { isOfMachine, SyncError } from '../../../agent/sync/errors.ts';
import { FileFault } from '../../../agent/sync/file-fault.ts';
import { packed, unpacked } from '../../../agent/sync/landing-words.ts';
import { StoreError } from '../../../agent/sync/store-error.ts';

test('a full disk speaks of the machine, whatever it has become on the way', async () => {
  const full = await open('/dev/full', 'w');
  const error: unknown = await full.write('x').then(undefined, (reason: unknown) => reason);
  await full.close();
  expect(isOfMachine(error)).toBe(true);
  expect(isOfMachine(unpacked(structuredClone(packed(new FileFault(error)))))).toBe(true);
  expect(isOfMachine(new SyncError('could not be downloaded', { cause: new Error('again', { cause: error }) }))).toBe(
    true,
  );
});

test('a store that is out of order does not', () => {
  const busy = new StoreError('SlowDown', { status: 503, date: undefined }, 'reduce your rate');
  const gone = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  for (const cause of [busy, gone, 'no error at all'])
    expect(isOfMachine(new SyncError('down', { cause }))).toBe(false);
});
