import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Plugin } from 'graphql-yoga';
import { KEY_HEADER } from '../credentials.ts';
import { EXAMPLES, VARIABLES } from './examples.ts';

/** GraphiQL, for whoever opens the API's address in a browser. */
export function useGraphiQLPage(): Plugin {
  let made: Promise<Page> | undefined;
  return {
    onRequest: async (event) => {
      const { headers, method } = event.request;
      if (method !== 'GET' || headers.get('accept')?.includes('text/html') !== true) return;
      made ??= makePage();
      event.endResponse(answerWith(await made, headers, event.fetchAPI));
    },
  };
}

interface Page {
  html: Uint8Array<ArrayBuffer>;
  gzipped: Uint8Array<ArrayBuffer>;
  etag: string;
  policy: string;
}

function answerWith(page: Page, asked: Headers, { Response }: { Response: typeof globalThis.Response }): Response {
  const headers = {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': page.policy,
    'Cache-Control': 'no-cache',
    Vary: 'Accept, Accept-Encoding',
    ETag: page.etag,
  };
  if (asked.get('if-none-match')?.includes(page.etag) === true) return new Response(null, { status: 304, headers });
  if (!/\bgzip\b/.test(asked.get('accept-encoding') ?? '')) return new Response(page.html, { headers });
  return new Response(page.gzipped, { headers: { ...headers, 'Content-Encoding': 'gzip' } });
}

/** Nine megabytes that only a browser needs: loaded when the first one asks, and compressed once. */
async function makePage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const options = {
    title: 'Kelpie',
    defaultQuery: EXAMPLES,
    variables: VARIABLES,
    headers: JSON.stringify({ [KEY_HEADER]: '' }, undefined, 2),
    defaultEditorToolsVisibility: 'headers',
    // With each subscription come the contents of the Headers tab, as `extensions.headers`.
    subscriptionsProtocol: 'WS',
  } as const;
  const page = renderGraphiQL(options);
  const html = Buffer.from(
    page.replace('<style>', () => `<script>${KEEP_IN_TAB}</script><style>body { margin: 0; overflow: hidden; }`),
  );
  return {
    html,
    gzipped: Buffer.from(await promisify(gzip)(html)),
    etag: `"${hash(html)}"`,
    policy: policyFor(html.toString()),
  };
}

/**
 * GraphiQL stores what is in its tabs, the Headers tab and with it the key included, and its history has the headers in any case: in
 * `localStorage`, where it would stay for good. The browser forgets `sessionStorage` with the tab.
 */
const KEEP_IN_TAB = `Object.defineProperty(window, 'localStorage', { value: window.sessionStorage });`;

/** The page runs its own scripts, by their hashes, and reaches this server; nothing else. */
function policyFor(html: string): string {
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, script = '']) => `'sha256-${hash(script)}'`,
  );
  return [
    "default-src 'none'",
    `script-src ${scripts.join(' ')}`,
    'worker-src blob:',
    // The editor writes its styles as it goes.
    "style-src 'unsafe-inline'",
    'img-src data:',
    'font-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function hash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64');
}
