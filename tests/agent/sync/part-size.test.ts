import fc from 'fast-check';
import { expect, it } from 'vitest';
import { partSizeOf, SMALLEST_PART } from '../../../agent/sync/part-size.ts';
import { memoryOf, SMALL_FILE_BYTES } from '../../../agent/sync/transfer.ts';

const TIB = 2 ** 40;
/** What S3 takes: so many parts, and so many bytes of each. */
const MOST_PARTS = 10_000;
const LARGEST_PART = 5 * 2 ** 30;

const anySize = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  fc.maxSafeNat().map((size) => size % (5 * TIB + 1)),
);

it('any file of up to 5 TiB fits into the parts that a store takes, compressed or not', () => {
  const fits = (size: number) => {
    const part = partSizeOf(size);
    expect(part).toBeGreaterThanOrEqual(SMALLEST_PART);
    expect(part).toBeLessThanOrEqual(LARGEST_PART);
    expect(Math.ceil(size / part)).toBeLessThanOrEqual(MOST_PARTS);
  };
  fc.assert(fc.property(anySize, fits));
  for (const size of [0, 80_000 * 2 ** 20, 80_000 * 2 ** 20 + 1, 5 * TIB]) fits(size);
});

it('the memory of an upload does not grow with the file', () => {
  const bounded = (size: number) => {
    expect(memoryOf(size, false)).toBeGreaterThanOrEqual(1);
    expect(memoryOf(size, false)).toBeLessThanOrEqual(8);
    expect(memoryOf(size, true)).toBeLessThanOrEqual(32);
  };
  fc.assert(fc.property(anySize, bounded));
  for (const size of [SMALL_FILE_BYTES, SMALL_FILE_BYTES + 1, 5 * TIB]) bounded(size);
});
