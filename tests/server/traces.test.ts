import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { aboutOperation, currentAbout, currentTrace } from '../../server/about.ts';
import { createLog } from '../../server/log.ts';
import { startTestApp } from '../support/app.ts';
import { sendingTo, startCollector, tracerFor } from '../support/collector.ts';
import { MASTER_KEY } from '../support/core.ts';
import { createDatabase } from '../support/database.ts';
import { startProgram } from '../support/program.ts';

const lines: Record<string, unknown>[] = [];
const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
const collector = await startCollector();
const tracer = await tracerFor(sendingTo(collector));
const app = await startTestApp({ traces: { tracer, asking: currentTrace }, log: createLog('error', { write }) });
afterAll(async () => {
  await app.close();
  await tracer.stop(1_000);
  await collector.close();
});

const SUBMIT = `mutation { submitJob(input: { command: "true", containerGroupId: "group" }) { ... on Job { id } } }`;

function newTrace() {
  const [traceId, spanId] = [
    crypto.randomUUID().replaceAll('-', ''),
    crypto.randomUUID().replaceAll('-', '').slice(16),
  ];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** Submits over a socket that was opened with these parameters. */
async function submitOverSocket(connectionParams: Record<string, unknown>, extensions?: Record<string, unknown>) {
  const url = `${app.url.replace('http', 'ws')}/graphql`;
  const client = createClient({ url, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
  try {
    const answer = await client.iterate({ query: SUBMIT, extensions: extensions ?? null }).next();
    expect(answer.value).toMatchObject({ data: { submitJob: { id: expect.any(String) as string } } });
  } finally {
    await client.dispose();
  }
}

async function joined({ traceId, spanId }: ReturnType<typeof newTrace>): Promise<void> {
  const [span] = await collector.trace(traceId, ['submit job']);
  expect(span).toMatchObject({ parent: spanId });
}

describe('a job joins its caller’s trace', () => {
  test('by a header, over REST and GraphQL', async () => {
    const { secret } = await app.account();
    const [rest, graphql] = [newTrace(), newTrace()];
    const headers = { 'X-Kelpie-Key': secret, 'Content-Type': 'application/json' };
    const bodies = { rest: { command: 'true', container_group_id: 'group' }, graphql: { query: SUBMIT } };
    await fetch(`${app.url}/jobs`, {
      ...{ method: 'POST', headers: { ...headers, traceparent: rest.traceparent } },
      body: JSON.stringify(bodies.rest),
    });
    await fetch(`${app.url}/graphql`, {
      ...{ method: 'POST', headers: { ...headers, traceparent: graphql.traceparent } },
      body: JSON.stringify(bodies.graphql),
    });
    await joined(rest);
    await joined(graphql);
  });

  test('over a socket by its parameters, or nearer, by those of the operation', async () => {
    const { secret } = await app.account();
    const [ofSocket, ofOperation] = [newTrace(), newTrace()];
    const parameters = { 'X-Kelpie-Key': secret, Traceparent: ofSocket.traceparent };
    await submitOverSocket(parameters);
    await joined(ofSocket);
    await submitOverSocket(parameters, { headers: { traceparent: ofOperation.traceparent } });
    await joined(ofOperation);
  });

  test('and not by what is none', async () => {
    const { secret } = await app.account();
    const before = collector.spans.length;
    await submitOverSocket({ 'X-Kelpie-Key': secret, traceparent: { not: 'a text' } });
    const response = await fetch(`${app.url}/jobs`, {
      ...{
        method: 'POST',
        headers: { 'X-Kelpie-Key': secret, traceparent: `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01` },
      },
      body: JSON.stringify({ command: 'true', container_group_id: 'group' }),
    });
    expect(response.status).toBe(202);
    await collector.asked(1);
    const names = collector.spans.map(({ name }) => name);
    await collector.trace(undefined, [...names, 'submit job', 'submit job'].slice(0, before + 2));
    expect(collector.spans.slice(before)).toMatchObject([{ parent: undefined }, { parent: undefined }]);
  });
});

test('what a claim tells of the trace is told to whoever claims, and to nobody else', async () => {
  const { secret } = await app.account('OWNER', 'one');
  const other = await app.account('OWNER', 'other');
  const { traceId, traceparent } = newTrace();
  const { data } = (await (
    await fetch(`${app.url}/graphql`, {
      ...{ method: 'POST', headers: { 'X-Kelpie-Key': secret, 'Content-Type': 'application/json', traceparent } },
      body: JSON.stringify({ query: SUBMIT }),
    })
  ).json()) as { data: { submitJob: { id: string } } };
  const answers = [
    await app.rest(other.secret, 'GET', `/jobs/${data.submitJob.id}`),
    await app.rest(secret, 'GET', `/jobs/${data.submitJob.id}`),
    await app.rest(secret, 'GET', '/work?machine_id=machine&container_group_id=group'),
  ];
  expect(answers.map(({ status }) => status)).toEqual([404, 200, 200]);
  for (const { body } of answers) expect(JSON.stringify(body)).not.toContain(traceId);
});

test('a line of the log that is written for somebody names the trace that they are in', async () => {
  const { secret } = await app.account();
  const trace = newTrace();
  await app.database.query('alter table jobs rename to gone');
  try {
    await submitOverSocketThatFails(secret, trace.traceparent);
    await fetch(`${app.url}/jobs`, { headers: { 'X-Kelpie-Key': secret, traceparent: trace.traceparent } });
  } finally {
    await app.database.query('alter table gone rename to jobs');
  }
  expect(lines.filter(({ trace_id }) => trace_id === trace.traceId)).toHaveLength(2);
});

test('an operation’s trace is read when somebody wants to know it, and not before', () => {
  let times = 0;
  const { traceId, spanId } = newTrace();
  const trace = () => {
    times += 1;
    return { traceId, spanId, isSampled: true };
  };
  aboutOperation({}, trace, () => expect(times).toBe(0));
  aboutOperation({}, trace, () => expect([currentTrace()?.spanId, currentAbout().trace_id]).toEqual([spanId, traceId]));
  expect(times).toBe(2);
});

async function submitOverSocketThatFails(secret: string, traceparent: string): Promise<void> {
  const url = `${app.url.replace('http', 'ws')}/graphql`;
  const connectionParams = { 'X-Kelpie-Key': secret, traceparent };
  const client = createClient({ url, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
  const answer = await client.iterate({ query: SUBMIT }).next();
  expect(answer.value).toMatchObject({ errors: [{ message: 'Unexpected error.' }] });
  await client.dispose();
}

describe('the server as a program', { timeout: 60_000 }, () => {
  const SERVER = join(import.meta.dirname, '../../server/main.ts');
  const LOADED = new URL('../support/loaded.ts', import.meta.url).href;

  async function startServer(environment: Record<string, string>) {
    const database = await createDatabase();
    const server = startProgram(process.execPath, [`--import=${LOADED}`, SERVER], {
      environment: {
        ...{ DATABASE_URL: database.url, KELPIE_MASTER_KEY: MASTER_KEY, KELPIE_PORT: '0' },
        ...{ KELPIE_ADMIN_KEY: 'the admin of this test', ...environment },
      },
      workingDirectory: import.meta.dirname,
      patienceMs: 50_000,
    });
    onTestFinished(async () => {
      await server.vanish();
      await database.drop();
    });
    const listening = await server.line((line) => line.includes('"msg":"Listening"'));
    const { url } = JSON.parse(listening) as { url: string };
    await fetch(`${url}/jobs`, {
      ...{ method: 'POST', headers: { 'X-Kelpie-Key': 'the admin of this test' } },
      body: JSON.stringify({ command: 'true', container_group_id: 'of the program' }),
    });
    server.signal('SIGTERM');
    expect(await server.ended).toEqual({ code: 0, signal: null });
    return server.lines;
  }

  test('loads and sends nothing unless it is told to, and else sends what is left when it ends, if it is taken', async () => {
    const [own, hanging] = [await startCollector(), await startCollector()];
    onTestFinished(async () => {
      await own.close();
      await hanging.close();
    });
    hanging.manner = 'HANGS';
    const wanted = {
      ...sendingTo(own),
      OTEL_BSP_SCHEDULE_DELAY: '600000',
      OTEL_EXPORTER_OTLP_HEADERS: 'key=hidden%20one',
    };
    // The library for metrics has the interfaces with it.
    const isOfTraces = (line: string) => line.startsWith('loaded:') && /@opentelemetry\/(?!api\/)/.test(line);
    const [off, on, heldUp] = await Promise.all([
      startServer({ ...wanted, KELPIE_TRACES: 'off' }),
      startServer(wanted),
      // It ends by its own bounds, or not before the patience of the test.
      startServer({ ...sendingTo(hanging), OTEL_EXPORTER_OTLP_TIMEOUT: '600000' }),
    ]);
    expect(hanging.requests).toHaveLength(1);
    expect(heldUp.filter((line) => line.includes('1 could not be sent: the program ends'))).toHaveLength(1);
    expect(off.some((line) => line.startsWith('loaded:') && line.includes('/pino/'))).toBe(true);
    expect(off.filter(isOfTraces)).toEqual([]);
    expect(on.some(isOfTraces)).toBe(true);
    expect(own.requests).toHaveLength(1);
    expect(own.spans).toMatchObject([
      { name: 'submit job', service: 'kelpie-server', attributes: { 'kelpie.container_group.id': 'of the program' } },
    ]);
    expect(own.requests[0]?.headers).toMatchObject({ key: 'hidden one' });
    expect(on.join('\n')).not.toContain('hidden');
  });
});
