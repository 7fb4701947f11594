import { cors } from 'hono/cors';
import { createMiddleware } from 'hono/factory';
import { healthRoutes } from '../health.ts';
import { currentRequest, REQUEST_ID_HEADER, requestId } from '../requests.ts';
import { registerCredentials } from './credentials.ts';
import { docsRoutes } from './docs.ts';
import { jobRoutes } from './jobs.ts';
import { logRoutes } from './logs.ts';
import { onError, onNotFound } from './problem.ts';
import type { RestEnv, RestParts } from './parts.ts';
import { createRouter } from './router.ts';
import { userRoutes } from './users.ts';
import { workRoutes } from './work.ts';

/** The whole REST layer with its documents and probes, as a function from request to response. */
export function createRest(parts: RestParts): {
  fetch(request: Request, hangUp?: () => void): Response | Promise<Response>;
} {
  const app = createRouter();
  app.use(identified);
  app.use(
    cors({
      origin: '*',
      allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
      exposeHeaders: [REQUEST_ID_HEADER, 'Retry-After'],
      maxAge: 600,
    }),
  );
  registerCredentials(app);
  app.route('/', jobRoutes(parts));
  app.route('/', logRoutes(parts));
  app.route('/', workRoutes(parts));
  app.route('/', userRoutes(parts));
  app.route('/', docsRoutes(app));
  app.route('/', healthRoutes(parts));
  app.notFound(onNotFound);
  app.onError(onError(parts.log));
  return { fetch: (request, hangUp = () => undefined) => app.fetch(request, { hangUp }) };
}

/** Every answer bears the request's id, a bad one too. */
const identified = createMiddleware<RestEnv>(async (context, next) => {
  const id = currentRequest()?.id ?? requestId(context.req.header(REQUEST_ID_HEADER));
  context.set('requestId', id);
  context.header(REQUEST_ID_HEADER, id);
  await next();
});
