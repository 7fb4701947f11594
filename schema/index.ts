import { lexicographicSortSchema, printSchema, type GraphQLSchema } from 'graphql';
import './scalars.ts';
import './account.ts';
import './agent.ts';
import './agents.ts';
import './api-key.ts';
import './attempt.ts';
import './audit.ts';
import './claim.ts';
import './ending.ts';
import './events.ts';
import './feed.ts';
import './group.ts';
import './job.ts';
import './job-verbs.ts';
import './jobs.ts';
import './lease.ts';
import './log.ts';
import './many-jobs.ts';
import './scaling-rule.ts';
import './scaling.ts';
import './submission.ts';
import './webhook.ts';
import { builder } from './builder.ts';
import { countWhatIsTold } from './told.ts';
import { keepWorkApart } from './work.ts';

export { createContext, type Context, type Shared } from './context.ts';
export { publicError } from './errors.ts';
export { createAttemptLoader } from './lookups.ts';
export { isShared } from './shared.ts';
export { workFields } from './work.ts';

/** The whole API, built once. */
export const schema: GraphQLSchema = countWhatIsTold(keepWorkApart(builder.toSchema()));

/** As `schema/schema.graphql` has it: sorted, so that the same API is the same text. */
export function printedSchema(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}
