import { setImmediate } from 'node:timers/promises';
import type { z } from 'zod';
import '../lib/faults.ts';
import { demand, type Permission, type Viewer } from './accounts/keys.ts';
import { InvalidInputError, type InputIssue } from './errors.ts';

/**
 * What came through a door, as the schema says it should be.
 * @throws InvalidInputError with every fault and its place, of a long list with the first ones
 */
export function parseInput<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  return soundOf(schema.safeParse(value));
}

/**
 * What came from somebody who may send it: who may not is told so before anything of it is looked at.
 * @throws ForbiddenError
 * @throws InvalidInputError with every fault and its place, of a long list with the first ones
 */
export function inputOf<Schema extends z.ZodType>(
  viewer: Viewer,
  permission: Permission,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  demand(viewer, permission);
  return parseInput(schema, value);
}

/**
 * As `inputOf`, of what takes long to look at. The fields of one operation follow each other without a turn of the event loop in between
 * where each is refused at once: so others have theirs before it.
 */
export async function longInputOf<Schema extends z.ZodType>(
  viewer: Viewer,
  permission: Permission,
  schema: Schema,
  value: unknown,
): Promise<z.output<Schema>> {
  demand(viewer, permission);
  await setImmediate();
  return soundOf(await schema.safeParseAsync(value));
}

function soundOf<Output>(result: z.ZodSafeParseResult<Output>): Output {
  if (result.success) return result.data;
  throw new InvalidInputError(inputIssues(result.error));
}

/** More than so many tell nobody more, and could be made by the million. */
const MOST_ISSUES = 1_000;

/** Zod's faults as ours: an unknown field is a fault of its own place, not of the object around it. */
export function inputIssues(error: z.ZodError): InputIssue[] {
  return error.issues.slice(0, MOST_ISSUES).flatMap((issue): InputIssue[] => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.slice(0, MOST_ISSUES).map((key) => ({
        path: [...path, key],
        message: 'Unknown field: remove it, or check its spelling',
      }));
    }
    return [{ path, message: issue.message }];
  });
}
