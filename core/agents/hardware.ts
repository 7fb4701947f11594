import { z } from 'zod';
import { listOf } from '../../lib/few-faults.ts';
import { jsonObject, text } from '../jobs/fields.ts';

/**
 * What an agent says of its machine. Only what is known here has a shape; whatever else it says is kept as it is. All of it is
 * optional: an agent tells what it could find out.
 */

const MOST_GPUS = 64;
/** Of JSON: it is kept for days with each process that was ever started. */
const MOST_BYTES = 8_192;
const bytes = z.number().min(0).max(Number.MAX_SAFE_INTEGER).nullish();
const words = text({ max: 255 }).nullish();

const gpu = z.looseObject({
  index: z.int().min(0).max(1_000).nullish(),
  name: words,
  memoryBytes: bytes,
  driverVersion: words,
});

const known = z.looseObject({
  cpus: z.number().min(0).max(1_000_000).nullish(),
  cpuModel: words,
  memoryBytes: bytes,
  diskBytes: bytes,
  diskFreeBytes: bytes,
  gpus: listOf(gpu)
    .max(MOST_GPUS, { error: `Expected at most ${MOST_GPUS} GPUs` })
    .nullish(),
});

export type Hardware = z.output<typeof known>;

/** Bounded as a whole, and what is known of it has its shape. */
export const hardwareSchema = jsonObject(MOST_BYTES).superRefine((told, context) => {
  if (Buffer.byteLength(JSON.stringify(told)) > MOST_BYTES) {
    context.addIssue({ code: 'custom', message: `Expected at most ${MOST_BYTES} bytes of JSON`, input: told });
  }
  for (const { path, message } of known.safeParse(told).error?.issues ?? []) {
    context.addIssue({ code: 'custom', path: [...path], message, input: told });
  }
});

/** What was stored, as what is known of it. Rows of an older version may hold anything. */
export function hardwareOf(stored: Record<string, unknown> | null): Hardware | undefined {
  if (stored === null) return undefined;
  const parsed = known.safeParse(stored);
  return parsed.success ? parsed.data : {};
}
