import { expect, test } from 'vitest';
import { traceAttempt } from '../../agent/attempt-trace.ts';
import type { Attributes, SpanStart, Tracer } from '../../lib/traces/tracer.ts';

const PARENT = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true };
type Parts = Parameters<typeof traceAttempt>[0];

/** What is said of the span of a command. */
async function attributesOf(command: string): Promise<Attributes | undefined> {
  const begun: SpanStart[] = [];
  const nothing = (): void => undefined;
  const tracer: Tracer = {
    begin(start) {
      begun.push(start);
      return { context: PARENT, note: nothing, event: nothing, end: nothing };
    },
    stop: async () => undefined,
  };
  const counts = { filesDownloaded: 0, bytesDownloaded: 0, filesUploaded: 0, bytesUploaded: 0 };
  const parts = {
    tracer,
    claim: { job: { id: 'job', command }, attempt: 1, traceParent: null },
    sync: { counts: () => counts },
    // Of a claim and its files only what is asked for here.
  } as unknown as Parts;
  await traceAttempt(parts).part('command', async () => undefined);
  return begun.find(({ name }) => name === 'command')?.attributes;
}

test.for([
  ['/usr/bin/python3', 'python3'],
  ['sh', 'sh'],
  ['python train.py --token=a/secret', 'python'],
  [' /opt/tool\tsecret/b', 'tool'],
] as const)('of the command %j its name is told, and nothing that was written behind it', async ([command, name]) => {
  expect(await attributesOf(command)).toEqual({ 'process.executable.name': name });
});
