import { OpenAPIHono, type z } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import type { Viewer } from '../../core/accounts/keys.ts';
import { InvalidInputError } from '../../core/errors.ts';
import { asAsker } from '../../core/fair-share.ts';
import { inputIssues } from '../../core/input.ts';
import { jsonBody } from './body.ts';
import type { RestEnv, RestParts } from './parts.ts';

/** An empty set of routes, whose inputs are refused in the same words everywhere. */
export function createRouter(): OpenAPIHono<RestEnv> {
  return new OpenAPIHono<RestEnv>({
    defaultHook: (result) => {
      if (!result.success) throw new InvalidInputError(inputIssues(result.error));
    },
  });
}

/**
 * What every route passes first: nobody comes in without a key, before anything else of the request is looked at, and of a body only
 * what comes from somebody who may do what it is for.
 */
export function doors(viewerOf: RestParts['viewerOf']) {
  const authenticate = createMiddleware<RestEnv>(async (context, next) => {
    const viewer = await viewerOf(context.req.raw);
    context.set('viewer', viewer);
    context.header('Cache-Control', 'no-store');
    const isReading = context.req.method === 'GET' || context.req.method === 'HEAD';
    const { accountId, keyId } = viewer;
    await asAsker({ accountId, keyId, ...(!isReading && { isPatient: 'ONCE_BEGUN' }) }, next);
  });
  return {
    reading: { middleware: [authenticate] },
    /** @param demand throws ForbiddenError of who may not */
    writing: (demand: (viewer: Viewer) => void) => {
      const permitted = createMiddleware<RestEnv>(async (context, next) => {
        demand(context.get('viewer'));
        await next();
      });
      return { middleware: [authenticate, permitted, jsonBody] };
    },
  };
}

/** A body in a route's description. */
export function jsonInput<Schema extends z.ZodType>(schema: Schema, example: unknown) {
  return { required: true, content: { 'application/json': { schema, example } } };
}

/** An answer in a route's description. */
export function jsonOutput<Schema extends z.ZodType>(description: string, schema: Schema, example: z.input<Schema>) {
  return { description, content: { 'application/json': { schema, example } } };
}
