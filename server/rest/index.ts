import type { Hono } from 'hono';
import { cors } from 'hono/cors';
import { createMiddleware } from 'hono/factory';
import { DASHBOARD_DIRECTORY, dashboardRoutes } from '../dashboard.ts';
import { healthRoutes } from '../health.ts';
import { notePath } from '../about.ts';
import { currentRequest, REQUEST_ID_HEADER, requestId } from '../requests.ts';
import { registerCredentials } from './credentials.ts';
import { docsRoutes } from './docs.ts';
import { eventRoutes } from './events.ts';
import { jobEventRoutes } from './job-events.ts';
import { jobLookRoutes } from './job-look.ts';
import { jobRoutes } from './jobs.ts';
import { methodTable, options } from './methods.ts';
import { createOpenRequests } from './open-requests.ts';
import { logRoutes } from './logs.ts';
import { onError, onNotFound } from './problem.ts';
import { purgeRoutes } from './purge.ts';
import type { RestBindings, RestEnv, RestParts } from './parts.ts';
import { createRouter } from './router.ts';
import { scalingRuleRoutes } from './scaling-rules.ts';
import { userRoutes } from './users.ts';
import { workRoutes } from './work.ts';

/** The whole REST layer with its documents and probes, as a function from request to response. */
export function createRest(parts: RestParts): {
  fetch(request: Request, bindings?: RestBindings): Response | Promise<Response>;
} {
  const app = createRouter();
  app.use(identified);
  app.use(async (context, next) => {
    context.set('bodies', parts.bodies);
    await next();
  });
  app.use(options((path) => methodsOf(path)));
  app.use(
    cors({
      origin: '*',
      allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
      exposeHeaders: [
        REQUEST_ID_HEADER,
        'Allow',
        'ETag',
        'Idempotency-Replayed',
        'Link',
        'Preference-Applied',
        'Retry-After',
      ],
      maxAge: 600,
    }),
  );
  registerCredentials(app);
  const open = createOpenRequests();
  app.route('/', jobRoutes(parts));
  app.route('/', purgeRoutes(parts));
  app.route('/', jobLookRoutes(parts, open));
  app.route('/', jobEventRoutes(parts, open));
  app.route('/', eventRoutes(parts, open));
  app.route('/', logRoutes(parts));
  app.route('/', workRoutes(parts));
  app.route('/', scalingRuleRoutes(parts));
  app.route('/', userRoutes(parts));
  app.route('/', healthRoutes(parts));
  // After all that it describes.
  app.route('/', docsRoutes(app));
  app.route('/', dashboardRoutes(parts.dashboard ?? DASHBOARD_DIRECTORY));
  const methodsOf = methodTable((app as Hono<RestEnv>).routes);
  app.notFound(onNotFound(methodsOf));
  app.onError(onError(parts.log));
  return { fetch: (request, bindings = { hangUp: () => undefined }) => app.fetch(request, bindings) };
}

/** Every answer bears the request's id, a bad one too. */
const identified = createMiddleware<RestEnv>(async (context, next) => {
  const id = currentRequest()?.id ?? requestId(context.req.header(REQUEST_ID_HEADER));
  context.set('requestId', id);
  notePath(context.req.path);
  context.header(REQUEST_ID_HEADER, id);
  await next();
});
