import { z } from '@hono/zod-openapi';

/** A parameter from 1 to `max`, or none. Digits only: not the empty text, `1e3` or `0x10`, which JavaScript takes for numbers too. */
export function wholeNumber(max: number) {
  const error = `Expected a whole number from 1 to ${max}`;
  return z
    .string({ error })
    .regex(/^\d{1,15}$/, { error })
    .transform(Number)
    .pipe(z.int().min(1, { error }).max(max, { error }))
    .optional()
    .openapi({ type: 'integer', minimum: 1, maximum: max });
}

/** The same, `preset` where there is none. */
export function wholeNumberOr(preset: number, max: number) {
  return wholeNumber(max)
    .transform((value) => value ?? preset)
    .openapi({ type: 'integer', minimum: 1, maximum: max, default: preset, param: { required: false } });
}
