/** What became of one try of `--check`. LIMITED: the agent works, but not all of it, or not as well as it could. */
export interface Finding {
  what: string;
  verdict: 'GOOD' | 'LIMITED' | 'WRONG';
  /** What was found; if it is not good, what was expected, and what to do. */
  says: string;
}
