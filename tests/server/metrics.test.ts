import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { createLog } from '../../server/log.ts';
import { createMetrics } from '../../server/metrics.ts';
import { serveMetrics } from '../../server/metrics-server.ts';
import { startTestApp } from '../support/app.ts';
import { openCore } from '../../core/open.ts';
import { openLink } from '../chaos/proxy.ts';
import { MASTER_KEY, openTestCore } from '../support/core.ts';
import { claim, endings, submit } from '../support/jobs.ts';
import { finishAttempt } from '../../core/leases/finish.ts';
import { rawRequest } from '../support/raw-request.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const log = createLog('silent');
const whole = new AsyncDisposableStack();
afterAll(() => whole.disposeAsync());

/** The lines of a scrape that have a value, by what stands before it. */
function valuesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

async function startMeasured(token?: string) {
  const { core, ...rest } = await openTestCore();
  const metrics = createMetrics(core, log, { atMostEveryMs: 0 });
  const server = await serveMetrics(metrics, log, { host: '127.0.0.1', port: 0, token });
  whole.defer(rest.close);
  whole.defer(() => server.stop());
  return { core, metrics, url: server.url, ...rest };
}

const open = startMeasured();

describe('/metrics', () => {
  test('tell what waits, what runs, and what has become of it', async () => {
    const { core, url, account } = await startMeasured();
    let settled = 0;
    core.feed.listenSettled(() => (settled += 1));
    const { viewer } = await account();
    for (const containerGroupId of ['group', 'group', 'a "quoted"\ngroup'])
      await submit(core, viewer, { containerGroupId });
    const { lease } = await claim(core, viewer);
    await finishAttempt(core, viewer, lease, endings.released);
    await claim(core, viewer);
    // A transaction of another test, that is older, holds them up.
    await until('all six events to be handed out in order', async () => {
      await core.feed.runOnce();
      return settled === 6;
    });

    const response = await fetch(url);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^text\/plain/),
    ]);
    const values = valuesOf(await response.text());
    expect(Object.fromEntries(values)).toMatchObject({
      kelpie_database_up: 1,
      'kelpie_queue_jobs{container_group="group"}': 1,
      'kelpie_queue_jobs{container_group="a \\"quoted\\"\\ngroup"}': 1,
      kelpie_queue_other_jobs: 0,
      kelpie_attempts_live: 1,
      'kelpie_attempts_ended_total{outcome="RELEASED"}': 1,
      'kelpie_job_events_total{type="CLAIMED"}': 2,
      'kelpie_recovery_seconds_count{outcome="RELEASED"}': 1,
      kelpie_event_lag_seconds: 0,
      kelpie_database_waiting: 0,
    });
  });

  test.each([
    ['127.0.0.1', 200],
    ['[::1]:9464', 200],
    ['10.2.3.4:9464', 200],
    ['localhost:9464', 200],
    ['kelpie-metrics:9464', 200],
    ['evil.example', 403],
    ['evil.', 403],
    ['a b<>', 400],
  ])('without a token, are told to nobody who may come by a page’s own name: %s', async (host, status) => {
    const { url } = await open;
    const answer = await rawRequest(url, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer.includes('kelpie_database_up')).toBe(status === 200);
  });

  test('are told to a probe of HTTP/1.0 that names no host', async () => {
    const { url } = await open;
    const answer = await rawRequest(url, 'GET /metrics HTTP/1.0\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*kelpie_database_up/);
  });

  test.each([
    ['0.0.0.0', undefined, 1],
    ['0.0.0.0', 'a token of the tests', 0],
    ['127.0.0.1', undefined, 0],
  ])('on %s with the token %s say at the start whom they refuse: %d times', async (host, token, times) => {
    const { metrics } = await open;
    const lines: string[] = [];
    const told = createLog('warn', { write: (line) => void lines.push(line) });
    const server = await serveMetrics(metrics, told, { host, port: 0, token });
    await server.stop();
    expect(lines.filter((line) => line.includes('KELPIE_METRICS_TOKEN'))).toHaveLength(times);
  });

  test('count the sockets and the answers of a server', async () => {
    const measured = await startMeasured();
    const app = await startTestApp({ metrics: measured.metrics });
    whole.defer(app.close);
    const { secret } = await app.account();
    await app.rest(secret, 'GET', '/jobs');
    await app.rest(undefined, 'GET', '/jobs');
    const events = app.socket(secret).iterate({ query: 'subscription { jobEvents { ... on JobEvent { seq } } }' });
    const first = events.next();
    await until('both answers and the socket to be counted', async () => {
      const values = valuesOf((await measured.metrics.read()).text);
      const answers = ['2xx', '4xx'].map((status) =>
        values.get(`kelpie_http_answers_total{door="rest",status="${status}"}`),
      );
      return answers.every((count) => count === 1) && values.get('kelpie_sockets') === 1;
    });
    await events.return?.();
    expect(await first).toMatchObject({ done: true });
  });

  test('go over no list of all that is open', async () => {
    const { url } = await open;
    const text = await (await fetch(url)).text();
    expect(text).toContain('process_open_fds');
    expect(text).not.toContain('nodejs_active_');
  });

  test('forget what could not be read, and nothing else; the database is there', async () => {
    const { core, metrics, account, database } = await startMeasured();
    const { viewer } = await account();
    await submit(core, viewer);
    await database.query('alter table jobs rename to gone');
    const values = valuesOf((await metrics.read()).text);
    expect(values.get('kelpie_database_up')).toBe(1);
    expect(values.get('kelpie_attempts_live')).toBe(0);
    expect([...values.keys()].filter((name) => name.startsWith('kelpie_queue'))).toEqual([]);
    expect(values.get('process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  test('tell a pool that is exhausted from a database that is away; the server is ready', async () => {
    const app = await startTestApp({ maxConnections: 2 });
    whole.defer(app.close);
    const metrics = createMetrics(app.core, log, { atMostEveryMs: 0 });
    const gate = Promise.withResolvers<undefined>();
    const holding = [1, 2].map(() =>
      app.core.em.fork().transactional(async (em) => {
        await em.execute('select 1');
        await gate.promise;
      }),
    );
    await until('all connections to be held', () => app.core.pool().total - app.core.pool().idle === 2);
    const values = await until('the database to be there', async () => {
      const told = valuesOf((await metrics.read()).text);
      return told.get('kelpie_database_up') === 1 && told;
    });
    expect(values.get('kelpie_database_waiting')).toBeGreaterThan(0);
    expect(values.has('kelpie_attempts_live')).toBe(false);
    await until('the server to be ready', async () => (await app.rest(undefined, 'GET', '/readyz')).status === 200);
    gate.resolve(undefined);
    await Promise.all(holding);
    await until('everything to be known', async () =>
      valuesOf((await metrics.read()).text).has('kelpie_attempts_live'),
    );
  });

  test('forget what the database told when it hangs, or is gone, and say so', async () => {
    const { database } = await startMeasured();
    const line = await openLink(() => Number(new URL(database.url).port));
    whole.defer(() => line.close());
    const through = new URL(database.url);
    through.port = String(line.port);
    const core = await openCore({ databaseUrl: through.href, masterKey: MASTER_KEY, onError: () => undefined });
    whole.defer(() => core.close());
    for (const state of ['HELD', 'CUT'] as const) {
      line.set({ is: 'OPEN' });
      const metrics = createMetrics(core, log, { atMostEveryMs: 0 });
      const told = async () => {
        const values = valuesOf((await metrics.read()).text);
        return [
          values.get('kelpie_database_up'),
          values.has('kelpie_attempts_live'),
          values.has('kelpie_queue_other_jobs'),
        ];
      };
      await until('the database to be asked', async () => (await told()).every(Boolean));
      line.set({ is: state });
      await until(
        `what was told before the line was ${state} to be forgotten`,
        async () => (await told())[0] === 0,
        30_000,
      );
      expect(await told()).toEqual([0, false, false]);
    }
  }, 60_000);

  test('are for those who have the token, and nothing else is there', async () => {
    const token = 'a token of the tests';
    const { url } = await startMeasured(token);
    const ask = async (headers: Record<string, string>, at = url, method = 'GET') =>
      (await fetch(at, { headers, method })).status;
    expect(await ask({})).toBe(401);
    expect(await ask({ Authorization: `Bearer ${token}x` })).toBe(401);
    expect(await ask({ Authorization: `Bearer ${token}` })).toBe(200);
    expect(await ask({ Authorization: `Bearer ${token}` }, url, 'POST')).toBe(405);
    expect(await ask({ Authorization: `Bearer ${token}` }, url.replace('/metrics', '/jobs'))).toBe(404);
    const named = `Host: kelpie.example\r\nAuthorization: Bearer ${token}\r\nConnection: close`;
    expect(await rawRequest(url, `GET /metrics HTTP/1.1\r\n${named}\r\n\r\n`)).toContain('HTTP/1.1 200 ');
  });
});

describe('the dashboard and the alerts', () => {
  const dashboard = z
    .object({
      panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })).min(10),
    })
    .parse(JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/kelpie.json'), 'utf8')));
  const rule = z.object({ alert: z.string(), expr: z.string(), annotations: z.object({ summary: z.string() }) });
  const rules = z
    .object({ groups: z.array(z.object({ rules: z.array(rule).min(5) })) })
    .parse(parse(readFileSync(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8')))
    .groups.flatMap((group) => group.rules);
  const expressions = [
    ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
    ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ];

  test('ask in PromQL for what is exported, and nothing else', async () => {
    const { core, metrics, account } = await startMeasured();
    metrics.watchSockets(() => 0);
    const { viewer } = await account();
    await submit(core, viewer);
    const { text } = await metrics.read();
    const exported = new Set(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) => withParts(name, type)),
    );
    const series = [...valuesOf(text).keys()];
    const faults = expressions.flatMap(([where, expr]) =>
      faultsOf(expr, exported, series).map((fault) => `${where}: ${fault}`),
    );
    expect(faults).toEqual([]);
  });

  test('of an expression that is none, or a metric that is not there, it is said', () => {
    expect(faultsOf('sum(rate(kelpie_sockets[5m])', new Set(['kelpie_sockets']), [])).toEqual([
      expect.stringContaining('is no PromQL'),
    ]);
    expect(faultsOf('rate(kelpie_gone_total[5m]) > 1', new Set(), [])).toEqual(['kelpie_gone_total is not exported']);
    const ofOne = ['kelpie_sockets{door="one"}'];
    expect(faultsOf('kelpie_sockets{door="other"} > 1', new Set(['kelpie_sockets']), ofOne)).toEqual([
      'kelpie_sockets has no series with door="other" from the start',
    ]);
    expect(faultsOf('kelpie_sockets{door="one"} > 1', new Set(['kelpie_sockets']), ofOne)).toEqual([]);
  });

  test('of each alert, operations.md says what to do', () => {
    const text = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
    expect(rules.map(({ alert }) => alert).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

function withParts(name: string, type: string | undefined): string[] {
  return type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [name];
}

/**
 * Grafana's own variable for a window is no PromQL, and is replaced before Prometheus sees it, which also adds the label `job`.
 * @param series those of a server to which nothing has happened
 */
function faultsOf(expr: string, exported: ReadonlySet<string>, series: readonly string[]): string[] {
  const query = expr.replaceAll('$__rate_interval', '5m');
  const faults: string[] = [];
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) faults.push(`${query} is no PromQL at ${node.from}`);
      if (node.name !== 'VectorSelector') return;
      const name = node.node.getChild('Identifier');
      const metric = name === null ? '' : query.slice(name.from, name.to);
      if (!exported.has(metric)) {
        faults.push(`${metric} is not exported`);
        return;
      }
      const wanted = query.slice(node.from, node.to).matchAll(/[{,]\s*((?!job=)\w+="[^"]*")/g);
      for (const [, label = ''] of wanted) {
        if (series.some((one) => one.startsWith(`${metric}{`) && one.includes(label))) continue;
        faults.push(`${metric} has no series with ${label} from the start`);
      }
    },
  });
  return faults;
}
