import type { Facts } from '../facts.ts';

/** Something that must hold whatever goes wrong. */
export interface Invariant {
  /** A sentence, true when it held. */
  holds: string;
  /** What speaks against it, a sentence each. */
  breaches: (facts: Facts) => string[];
}

/** Two clocks that are read in one moment may differ by so many milliseconds: the database rounds to whole ones. */
export const CLOCK_MS = 2;
