import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { InvalidInputError } from '../../core/errors.ts';
import { MOST_MEMBERS, placeOfCrowd, placeOfProto } from '../../lib/proto.ts';
import type { Bodies } from '../bodies.ts';
import { readJsonBody, type Bounds } from '../json-body.ts';
import type { RestEnv } from './parts.ts';

/** Reads the body before its handler does: see `withJson`. */
export const jsonBody = createMiddleware<RestEnv>((context, next) =>
  withJson(context, context.get('bodies').bound, () => next()),
);

/**
 * Reads the body (see `readJson`), whose bytes count until what is done with it is done.
 * @throws RateLimitedError when its account has too much under way
 * @throws UnavailableError when all accounts together have
 */
export async function withJson<Result>(
  context: Context<RestEnv>,
  bound: Bodies['bound'],
  use: (value: unknown) => Result | Promise<Result>,
): Promise<Result> {
  const reading = context.get('bodies').begin(context.get('viewer').accountId);
  try {
    return await use(await readJson(context, { ...bound, came: (bytes) => reading.add(bytes) }));
  } finally {
    reading.end();
  }
}

/**
 * Reads the body within its bound, and calls it JSON whatever it calls itself: some workers send no Content-Type, others the
 * one of a form.
 * @throws what the bounds have for a larger one
 * @throws InvalidInputError when the body is not JSON in UTF-8, or has a member called `__proto__`, or very many of them, in one place or in all
 */
async function readJson(context: Context<RestEnv>, bounds: Bounds): Promise<unknown> {
  const { url, method, headers, body, signal } = context.req.raw;
  const announced = headers.get('content-length');
  const { text, value } = await readJsonBody({ chunks: body ?? [], announced }, bounds);
  refuseProto(text, value);
  refuseCrowds(text, value);
  const jsonHeaders = new Headers(headers);
  jsonHeaders.set('content-type', 'application/json');
  context.req.raw = new Request(url, { method, headers: jsonHeaders, body: text, signal });
  return value;
}

/** How the name may stand in a text: plainly, or with some of its characters escaped. */
const MAY_NAME_PROTO = /__proto__|\\u00/;

/** What reads objects of any names, as the environment, would leave this one out without a word. */
function refuseProto(text: string, value: unknown): void {
  const path = MAY_NAME_PROTO.test(text) ? placeOfProto(value) : undefined;
  if (path !== undefined) {
    throw new InvalidInputError([{ path, message: 'This name cannot be used: choose another one' }]);
  }
}

/** No smaller text has so many. */
const CROWDED_BYTES = 2 * MOST_MEMBERS;

function refuseCrowds(text: string, value: unknown): void {
  const path = text.length < CROWDED_BYTES ? undefined : placeOfCrowd(value, MOST_MEMBERS);
  if (path !== undefined) {
    throw new InvalidInputError([{ path, message: `Expected at most ${MOST_MEMBERS} entries` }]);
  }
}
