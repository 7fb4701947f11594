import { afterAll, expect } from 'vitest';
import { BUCKET } from '../sync/support/bench.ts';
import { currentTrace } from '../../../server/about.ts';
import { type Collector, type ReceivedSpan, sendingTo, startCollector, tracerFor } from '../../support/collector.ts';
import { type Scene, scenarios } from '../../support/fleet.ts';
import { until } from '../../support/until.ts';

const collector = await startCollector();
const tracer = await tracerFor(sendingTo(collector));
const scenario = scenarios({ traces: async () => ({ tracer, asking: currentTrace }) });
afterAll(async () => {
  await tracer.stop(1_000);
  await collector.close();
});

const LOADED = new URL('../../support/loaded.ts', import.meta.url).href;

scenario.concurrent(
  'a job that is interrupted is one trace, from its client through server and agents to its command',
  async ({ scene }) => {
    const client = { traceId: 'c0ffee'.padEnd(32, '1'), spanId: 'c0ffee'.padEnd(16, '2') };
    const [first, second] = [await agentIn(scene, 'machine-a'), 'machine-b'];
    await scene.put('checkpoints/zero', '0');
    const id = await submitFrom(
      scene,
      `00-${client.traceId}-${client.spanId}-01`,
      `
      echo "trace of $KELPIE_ATTEMPT: $TRACEPARENT"
      if [ -e checkpoints/last ]; then echo 3 > output/result; exit 0; fi
      trap 'exit 0' TERM
      echo 1 > checkpoints/last; while :; do sleep 0.05; done`,
    );
    const saved = `select from job_events where job_id = $1 and type = 'CHECKPOINT_SAVED'`;
    await until('a checkpoint', async () => (await scene.fleet.app.database.query(saved, [id])).length > 0);
    const [, given = ''] = (await first.said('trace of 1:')).split('1: ');
    first.signal('SIGTERM');
    await first.ended;
    const successor = await agentIn(scene, second);
    const [, givenNext = ''] = (await successor.said('trace of 2:')).split('2: ');

    const ofAttempt = ['run attempt', 'download', 'command', 'flush', 'report', 'attempt', 'claim'];
    const names = ['submit job', 'job', 'upload', ...ofAttempt, ...ofAttempt];
    const spans = await collector.trace(client.traceId, names);
    expect(spans.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    const whole = only(spans, ({ name }) => name === 'job');
    expect(only(spans, ({ name }) => name === 'submit job')).toMatchObject({ parent: client.spanId });
    expect(whole.attributes).toMatchObject({ 'kelpie.job.id': id, 'kelpie.job.attempts': 2 });
    const attempts = spans.filter(({ name }) => name === 'attempt');
    expect(attempts).toMatchObject([
      { parent: whole.spanId, fault: 'The agent was told to stop (SIGTERM).', events: [{ name: 'interrupted' }] },
      { parent: whole.spanId, fault: undefined, events: [] },
    ]);
    for (const [index, { spanId }] of attempts.entries()) {
      const run = only(spans, ({ name, parent }) => name === 'run attempt' && parent === spanId);
      expect(run).toMatchObject({ service: 'kelpie-agent', attributes: { 'kelpie.attempt.number': index + 1 } });
      const parts = spans.filter(({ parent }) => parent === run.spanId);
      expect(parts.map(({ name }) => name)).toEqual(
        ['download', 'command', 'flush', 'upload', 'report'].filter((name) => index === 1 || name !== 'upload'),
      );
      const command = only(parts, ({ name }) => name === 'command');
      expect([given, givenNext][index]).toBe(`00-${client.traceId}-${command.spanId}-01`);
      expect(command.attributes).toMatchObject({ 'process.executable.name': 'sh', 'process.exit.code': 0 });
      const download = only(parts, ({ name }) => name === 'download');
      expect(download.attributes).toMatchObject({ 'kelpie.sync.files': index + 1 });
    }
    const [command] = spans.filter(({ name }) => name === 'command');
    expect(command?.events).toMatchObject([
      { name: 'checkpoint saved', attributes: { 'kelpie.sync.files': 1, 'kelpie.sync.bytes': 2 } },
    ]);
    expect(first.lines.some((line) => line.includes(`"trace_id":"${client.traceId}"`))).toBe(true);
  },
);

scenario.concurrent(
  'without settings nothing is loaded, nothing is sent, and the command is told all the same',
  async ({ scene }) => {
    const agent = await scene.agent('machine', { NODE_OPTIONS: `--import=${LOADED}` });
    const job = await scene.submit({ script: 'echo "trace: $TRACEPARENT"' });
    expect(await agent.said('trace: 00-')).toMatch(/^trace: 00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    await job.end();
    agent.signal('SIGTERM');
    await agent.ended;
    expect(agent.lines.some((line) => line.startsWith('loaded:') && line.includes('/pino/'))).toBe(true);
    expect(agent.lines.filter((line) => line.startsWith('loaded:') && line.includes('opentelemetry'))).toEqual([]);
    const ofAgents = collector.spans.filter(
      ({ attributes, service }) => service === 'kelpie-agent' && attributes['kelpie.job.id'] === job.id,
    );
    expect(ofAgents).toEqual([]);
  },
);

scenario.concurrent('a collector that hangs changes nothing of a job', async ({ scene }) => {
  await worksBeside(scene, 'HANGS');
});

scenario.concurrent(
  'a collector that fails changes nothing of a job, and is told of once, and of the rest at the end',
  async ({ scene }) => {
    const lines = await worksBeside(scene, 'FAILS');
    const told = lines.filter((line) => line.includes('Traces are incomplete'));
    expect([1, 2]).toContain(told.length);
    for (const line of told) expect(line).toContain('could not be sent');
    expect(told[0]).toContain('status 500');
  },
);

/** @returns what the agent has said, from beginning to end */
async function worksBeside(scene: Scene, manner: Collector['manner']): Promise<readonly string[]> {
  const own = await startCollector();
  own.manner = manner;
  try {
    // It ends by its own bounds, or not before the patience of the test.
    const agent = await scene.agent('machine', { ...sendingTo(own), OTEL_EXPORTER_OTLP_TIMEOUT: '600000' });
    const job = await scene.submit({ script: 'echo 1 > output/one', after: ['output'] });
    expect(await job.end()).toMatchObject({ status: 'COMPLETED', numInterruptions: 0 });
    await own.asked(1);
    expect(await (await scene.submit({ script: 'true' })).end()).toMatchObject({ status: 'COMPLETED' });
    agent.signal('SIGTERM');
    expect(await agent.ended).toEqual({ code: 0, signal: null });
    return agent.lines;
  } finally {
    await own.close();
  }
}

function agentIn(scene: Scene, machineId: string) {
  return scene.agent(machineId, sendingTo(collector));
}

/** As a client does that has a trace of its own. */
async function submitFrom({ fleet, group, prefix }: Scene, traceparent: string, script: string): Promise<string> {
  const entry = (name: string, direction: string) => ({
    ...{ bucket: BUCKET, prefix: `${prefix}${name}/`, local_path: name, direction },
  });
  const response = await fetch(`${fleet.app.url}/jobs`, {
    method: 'POST',
    headers: { 'X-Kelpie-Key': fleet.ownerKey, traceparent },
    body: JSON.stringify({
      ...{ command: 'sh', arguments: ['-c', script], container_group_id: group },
      sync: {
        before: [entry('checkpoints', 'download')],
        during: [entry('checkpoints', 'upload')],
        after: [entry('output', 'upload')],
      },
    }),
  });
  return String(((await response.json()) as { id: unknown }).id);
}

function only(spans: ReceivedSpan[], fits: (span: ReceivedSpan) => boolean): ReceivedSpan {
  const [span, ...others] = spans.filter(fits);
  if (span === undefined || others.length > 0) throw new Error(`Expected one span that fits ${fits.toString()}`);
  return span;
}
