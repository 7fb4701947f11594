import { readFile } from 'node:fs/promises';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { Hono } from 'hono';
import { VERSION } from '../../lib/version.ts';
import { security } from './credentials.ts';
import type { RestEnv } from './parts.ts';

/**
 * The API's description and a page to read it and try it. Everything that the page loads comes from this server, so that it
 * works without internet; its security policy makes the browser hold it to that.
 */
export function docsRoutes(api: OpenAPIHono<RestEnv>): Hono<RestEnv> {
  const router = new Hono<RestEnv>();
  // Now, not at the first request: a route that cannot be described fails when the server starts.
  const document = describe(api);
  router.get('/openapi.json', (context) => context.json(document));
  router.get('/docs', (context) => {
    context.header('Content-Security-Policy', POLICY);
    return context.html(PAGE);
  });
  router.get('/docs/start.js', (context) => context.body(START, 200, { 'Content-Type': 'text/javascript' }));
  for (const [file, type] of Object.entries(assets)) {
    let content: Promise<Uint8Array<ArrayBuffer>> | undefined;
    router.get(`/docs/${file}`, async (context) => {
      content ??= readAsset(file);
      return context.body(await content, 200, { 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' });
    });
  }
  return router;
}

function describe(api: OpenAPIHono<RestEnv>) {
  return api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Kelpie',
      version: VERSION,
      description:
        'Shepherds long-running jobs to completion on machines that can vanish at any moment. Every request carries an API key in the header X-Kelpie-Key.',
    },
    tags: [
      { name: 'jobs', description: 'For those who submit jobs and look after them' },
      { name: 'polling workers', description: 'For machines that run jobs, and ask by plain requests' },
      { name: 'scaling rules', description: 'How many replicas container groups should have' },
      { name: 'users', description: 'Accounts' },
      { name: 'admin', description: 'For the admin of the server' },
      { name: 'probes', description: 'For whoever supervises the server; without a key' },
    ],
    servers: [{ url: '/' }],
    security,
  });
}

/** Of swagger-ui-dist: what the page needs, and nothing else. */
const assets = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

async function readAsset(file: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(new URL(file, import.meta.resolve('swagger-ui-dist/package.json'))));
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Kelpie API</title>
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png" />
    <link rel="stylesheet" href="docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', validatorUrl: null, deepLinking: true, tryItOutEnabled: true });
`;
