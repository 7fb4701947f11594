import type { JobRow } from './job-rows.ts';

/** What is known of a list of jobs. */
export interface JobListState {
  rows: readonly JobRow[];
  /** How many there are in all; undefined before the server has said so. */
  total: number | undefined;
  /** Whether older ones can be loaded. */
  hasMore: boolean;
  /** Why the list cannot be told just now. */
  fault: string | undefined;
  /** Why `total` is as it was some time ago. */
  countFault: string | undefined;
}

/** Before anything is known. */
export const NO_LIST: JobListState = {
  ...{ rows: [], total: undefined, hasMore: false },
  ...{ fault: undefined, countFault: undefined },
};
