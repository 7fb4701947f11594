import type { OperationResult } from 'urql';
import { faultOf } from './connection.ts';

/** Why a mutation did nothing; undefined when it did. */
export function refusalIn({ data, error }: OperationResult<Record<string, object>>): string | undefined {
  if (error !== undefined) return faultOf(error);
  const answer = Object.values(data ?? {}).find((value) => typeof value === 'object');
  return answer !== undefined && 'message' in answer && typeof answer.message === 'string' ? answer.message : undefined;
}

export interface Issue {
  /** Where in the input, from the outside in. */
  path: string[];
  message: string;
}

/** What a mutation had against single fields of its input. */
export function issuesIn({ data }: OperationResult<Record<string, object>>): Issue[] {
  const answer = Object.values(data ?? {}).find((value) => typeof value === 'object');
  // By the schema, what has issues is an InvalidInput.
  return answer !== undefined && 'issues' in answer ? (answer.issues as Issue[]) : [];
}

/** The server's words when it did not let a subscription begin, as graphql-ws hands them on; anything else is the connection's. */
export function refusedBy(fault: unknown): string | undefined {
  if (!Array.isArray(fault)) return undefined;
  // Of GraphQL, a list of errors with a message each.
  return (fault as { message: string }[]).map(({ message }) => message).join(' ');
}
