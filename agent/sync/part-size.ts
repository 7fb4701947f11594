export const SMALLEST_PART = 8 * 2 ** 20;
const MOST_PARTS = 10_000;

/** Bytes of each part but the last, so that a file of up to 5 TiB (`size` in bytes) needs no more parts than a store takes. */
export function partSizeOf(size: number): number {
  return Math.max(SMALLEST_PART, Math.ceil(size / MOST_PARTS / 2 ** 20) * 2 ** 20);
}
