import { cors } from 'hono/cors';
import { requestId } from 'hono/request-id';
import { healthRoutes } from '../health.ts';
import { docsRoutes } from './docs.ts';
import { jobRoutes } from './jobs.ts';
import { onError, onNotFound } from './problem.ts';
import type { RestParts } from './parts.ts';
import { createRouter } from './router.ts';
import { userRoutes } from './users.ts';
import { workRoutes } from './work.ts';

/** The whole REST layer with its documents and probes, as a function from request to response. */
export function createRest(parts: RestParts): { fetch(request: Request): Response | Promise<Response> } {
  const app = createRouter();
  app.use(requestId());
  app.use(
    cors({
      origin: '*',
      allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
      exposeHeaders: ['X-Request-Id'],
      maxAge: 600,
    }),
  );
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'apiKey',
    in: 'header',
    name: 'X-Kelpie-Key',
  });
  app.route('/', jobRoutes(parts));
  app.route('/', workRoutes(parts));
  app.route('/', userRoutes(parts));
  app.route('/', docsRoutes(app));
  app.route('/', healthRoutes(parts));
  app.notFound(onNotFound);
  app.onError(onError(parts.log));
  return { fetch: (request) => app.fetch(request) };
}
