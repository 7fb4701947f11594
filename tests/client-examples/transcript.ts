import { join } from 'node:path';
import { expect } from 'vitest';

/** Where the examples are. */
export const EXAMPLES = join(import.meta.dirname, '../../client-examples');

/** What differs from run to run. */
const VOLATILE: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<id>'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>'],
  [/http:\/\/127\.0\.0\.1:\d+/g, '<url>'],
];

/**
 * Holds what an example has printed to the transcript in its folder, which `vitest run -u` writes anew.
 * @param steps what was typed, and the lines that came of it
 * @param more what is volatile in this example besides ids, times and addresses
 */
export async function expectTranscript(
  folder: string,
  steps: readonly { typed: string; lines: readonly string[] }[],
  more: typeof VOLATILE = [],
): Promise<void> {
  const text = steps.map(({ typed, lines }) => [`$ ${typed}`, ...lines, ''].join('\n')).join('\n');
  const masked = [...more, ...VOLATILE].reduce((masking, [what, mask]) => masking.replaceAll(what, mask), text);
  await expect(masked).toMatchFileSnapshot(join(EXAMPLES, folder, 'transcript.txt'));
}
