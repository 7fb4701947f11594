import { z } from 'zod';

/** A name of an organization or project of Salad, in lower case: what a path may hold without a second thought. */
export const saladName = z
  .string()
  .regex(/^[A-Za-z0-9-]{1,63}$/, { error: 'Expected 1 to 63 letters, digits and hyphens' })
  .toLowerCase();
