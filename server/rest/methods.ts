import type { Context, Next } from 'hono';
import type { RestEnv } from './parts.ts';

/** Which methods each path has, by the routes that are registered: in the order of RFC 9110, HEAD with every GET. */
export function methodTable(routes: readonly { method: string; path: string }[]): (path: string) => string[] {
  const byPath = Map.groupBy(
    // Middleware is registered for all methods: it is no route.
    routes.filter(({ method }) => method !== 'ALL'),
    ({ path }) => path,
  );
  const patterns = [...byPath].map(([path, found]) => {
    return { pattern: patternOf(path), methods: new Set(found.map(({ method }) => method)) };
  });
  return (path) => {
    const found = patterns.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]);
    if (found.length === 0) return [];
    const all = new Set([...found, 'OPTIONS', ...(found.includes('GET') ? ['HEAD'] : [])]);
    return ORDER.filter((method) => all.has(method));
  };
}

/** Answers an OPTIONS that is no browser's question about CORS: with the methods of the path. */
export function options(methodsOf: (path: string) => string[]) {
  return async (context: Context<RestEnv>, next: Next): Promise<Response | undefined> => {
    const { method, path } = context.req;
    const isOurs = method === 'OPTIONS' && context.req.header('Access-Control-Request-Method') === undefined;
    if (!isOurs) {
      await next();
      return undefined;
    }
    const allowed = methodsOf(path);
    return allowed.length === 0 ? context.notFound() : context.body(null, 204, { Allow: allowed.join(', ') });
  };
}

const ORDER = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS'];

function patternOf(path: string): RegExp {
  const parts = path.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll('.', '\\.')));
  return new RegExp(`^${parts.join('/')}$`);
}
