import { z } from 'zod';
import { shown } from './faults.ts';

/**
 * A number that comes as text, from a variable or a flag, from `min` to `max`. Its bounds stand in its description as JSON Schema, which
 * docs/configuration.md is printed from.
 */
export function numberText({ min, max, whole }: { min: number; max?: number; whole: boolean }) {
  const range = max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
  return z
    .string()
    .transform((text, context) => {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (value >= min && value <= (max ?? Number.MAX_VALUE) && (!whole || Number.isSafeInteger(value))) return value;
      const message = `expected a ${whole ? 'whole number' : 'number'} ${range}, got ${shown(text)}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .meta({ minimum: min, ...(max !== undefined && { maximum: max }) });
}
