import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { serveStatic } from '@hono/node-server/serve-static';
import { type Context, Hono } from 'hono';
import type { RestEnv } from './rest/parts.ts';

/** Where `npm run build:dashboard` puts the dashboard's files. */
export const DASHBOARD_DIRECTORY = join(import.meta.dirname, '../dist/dashboard');

/**
 * The dashboard's built files: its page at `/` and below `/app/`, where the page itself finds out what to show, and what it is made of
 * below `/assets/`. Every other address stays the API's.
 */
export function dashboardRoutes(directory: string): Hono<RestEnv> {
  const router = new Hono<RestEnv>();
  const page = join(directory, 'index.html');
  const files = { precompressed: true, root: directory };
  const servePage = serveStatic<RestEnv>({
    ...files,
    path: 'index.html',
    onFound: (_path, context) => asPage(context),
  });
  const serveAsset = serveStatic<RestEnv>({ ...files, onFound: (_path, context) => forGood(context) });
  const isBuilt = (): boolean => existsSync(page);

  for (const path of PAGES) {
    router.get(path, async (context, next) => (isBuilt() ? servePage(context, next) : context.text(NOT_BUILT, 503)));
  }
  router.get('/assets/:file', async (context) => {
    const answer = isBuilt() ? await serveAsset(context, nobodyElse) : undefined;
    return answer ?? context.text('There is no such file.\n', 404);
  });
  return router;
}

/** No other route has these addresses. */
async function nobodyElse(): Promise<void> {
  // So nothing is to be done.
}

const PAGES = ['/', '/app/:page', '/app/:page/:id'];

const NOT_BUILT = 'The dashboard is not built: run `npm run build:dashboard`, then load this page again.\n';

/**
 * Nothing but what this server sends, its websocket included, and nobody else's frame around it. The page asks each time whether it is
 * still the newest; what it loads is named by its content.
 */
const POLICY = [
  "default-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function asPage(context: Context<RestEnv>): void {
  context.header('Content-Security-Policy', POLICY);
  context.header('Cache-Control', 'no-cache');
}

function forGood(context: Context<RestEnv>): void {
  context.header('Cache-Control', 'public, max-age=31536000, immutable');
}
