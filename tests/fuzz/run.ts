import fc from 'fast-check';
import { readApi, type Answer, type Api, type Route } from '../support/openapi.ts';
import { requests, type Ask } from './requests.ts';
import type { Target } from './target.ts';

/** How often each route gave each status: `POST /jobs` → 202 → 17. */
export type Counts = Map<string, Map<number, number>>;

/**
 * Sends requests that are made from the server's own document, one after another, and holds of each answer: it is no 5xx, its
 * status is declared, and its body is what the document says.
 * @throws Error of fast-check with the smallest request it has found, and the seed
 */
export async function fuzz(target: Target, options: { cases: number; seed: number }): Promise<Counts> {
  const api = await readApi(target);
  const counts: Counts = new Map();
  const memory = { jobs: [] as string[] };
  await fc.assert(
    fc.asyncProperty(requests(api), async (ask) => {
      const { route, answer, sent, asked } = await send(api, target, ask, memory);
      // The dashboard's page is not the document's.
      const faults = asked === '/' ? [] : faultsOf(api, route, answer, sent);
      if (faults.length > 0) throw new Error(`${sent}\n  answered ${answer.status}: ${faults.join('; ')}`);
      if (route !== undefined) count(counts, route.name, answer.status);
      if (route?.name === 'DELETE /users' && answer.status === 204) await target.renew();
    }),
    { numRuns: options.cases, seed: options.seed, endOnFailure: true },
  );
  return counts;
}

/** How many answers there were, as a table. */
export function linesOf(counts: Counts): string[] {
  return [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, statuses]) => {
      const each = [...statuses].sort(([a], [b]) => a - b).map(([status, times]) => `${status} × ${times}`);
      return `  ${name.padEnd(36)} ${each.join(', ')}`;
    });
}

async function send(api: Api, target: Target, ask: Ask, memory: { jobs: string[] }) {
  const path = ask.route.path.replace('{id}', idOf(ask, target, memory));
  const query = ask.query === '' ? '' : `?${ask.query}`;
  const key = target.keys[ask.key];
  const hasBody = ask.body !== undefined && ask.method !== 'GET' && ask.method !== 'HEAD';
  const response = await fetch(`${target.url}${path}${query}`, {
    method: ask.method,
    headers: { ...ask.headers, ...(key !== undefined && { 'X-Kelpie-Key': key }) },
    ...(hasBody && { body: ask.body ?? null }),
  });
  const text = await response.text();
  // The URL standard takes `..` and `.` away: the request was about another path.
  const asked = new URL(response.url).pathname;
  const route = api.routeOf(ask.method, asked);
  const answer = { status: response.status, contentType: response.headers.get('content-type'), text };
  if (response.status === 202 && ask.method === 'POST') remember(memory, text);
  const sent = `${ask.method} ${path}${query} as ${ask.key} ${JSON.stringify(ask.headers)} ${ask.body?.slice(0, 2_000) ?? ''}`;
  return { route, answer, sent, asked };
}

function idOf(ask: Ask, target: Target, memory: { jobs: string[] }): string {
  if (typeof ask.id === 'string') return ask.id;
  if (ask.route.path.startsWith('/users/')) return nth(target.accountIds, ask.id);
  if (/container-groups|scaling-rules/.test(ask.route.path)) return nth(['g0', 'g1', 'g2', 'g3'], ask.id);
  // The newest ones: there is more to be done with them.
  return nth(memory.jobs.slice(-4), ask.id);
}

function nth(list: readonly string[], number: number): string {
  return list[number % list.length] ?? '8b9c902c-7da6-4af3-be0b-59cd4487895a';
}

function remember(memory: { jobs: string[] }, text: string): void {
  const answer = JSON.parse(text) as unknown;
  const ids = [answer]
    .flat()
    .flatMap((job) => (typeof job === 'object' && job !== null && 'id' in job ? [String(job.id)] : []));
  memory.jobs = [...memory.jobs, ...ids].slice(-20);
}

function faultsOf(api: Api, route: Route | undefined, answer: Answer, sent: string): string[] {
  if (answer.status >= 500) return [`an unexpected error: ${answer.text}`];
  if (route !== undefined) return api.faults(route, answer);
  const isPlain = /^(HEAD|OPTIONS) /.test(sent) || answer.status === 404 || answer.status === 405;
  return isPlain ? [] : [`a route that the document does not have answered ${answer.text.slice(0, 500)}`];
}

function count(counts: Counts, name: string, status: number): void {
  const statuses = counts.get(name) ?? new Map<number, number>();
  counts.set(name, statuses.set(status, (statuses.get(status) ?? 0) + 1));
}
