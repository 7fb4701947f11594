import type { JobDetailQuery, JobHistoryQuery } from '../generated/graphql.ts';

export type Detail = NonNullable<JobDetailQuery['job']>;
export type History = NonNullable<JobHistoryQuery['job']>;
