import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { openTraces } from '../../agent/traces.ts';
import { traceConfig } from '../../lib/traces/settings.ts';
import { sendingTo, startCollector } from '../support/collector.ts';

test('what is left is waited for, and no longer once there is a hurry', async () => {
  const collector = await startCollector();
  onTestFinished(() => collector.close());
  collector.manner = 'HANGS';
  const open = async () => {
    const traces = traceConfig({ ...sendingTo(collector), OTEL_EXPORTER_OTLP_TIMEOUT: '600000' });
    const opened = await openTraces({ traces, machineId: 'm', containerGroupId: 'g' }, pino({ level: 'silent' }));
    opened.tracer?.begin({ name: 'left' }).end();
    return opened;
  };
  const [patient, hurried, late] = [await open(), await open(), await open()];
  await collector.asked(3);
  const hurry = new AbortController();
  const ended: string[] = [];
  const stops = [
    patient.stop(new AbortController().signal).then(() => ended.push('patient')),
    hurried.stop(hurry.signal).then(() => ended.push('hurried')),
    late.stop(AbortSignal.abort()).then(() => ended.push('late')),
  ];
  hurry.abort();
  await Promise.all(stops);
  expect(ended.at(-1)).toBe('patient');
});
