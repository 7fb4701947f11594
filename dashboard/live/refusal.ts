import type { OperationResult } from 'urql';
import { faultOf } from './connection.ts';

/** Why a mutation did nothing; undefined when it did. */
export function refusalIn({ data, error }: OperationResult<Record<string, object>>): string | undefined {
  if (error !== undefined) return faultOf(error);
  const answer = Object.values(data ?? {}).find((value) => typeof value === 'object');
  return answer !== undefined && 'message' in answer && typeof answer.message === 'string' ? answer.message : undefined;
}
