import type { Logger } from 'pino';
import { isAborted, whenAborted } from '../lib/pause.ts';
import { openTracer } from '../lib/traces/open.ts';
import type { Tracer } from '../lib/traces/tracer.ts';
import { VERSION } from '../lib/version.ts';
import type { AgentConfig } from './config.ts';

const SERVICE = 'kelpie-agent';
/** The machine may soon be gone, and what is told of it matters less than that it ends in time. */
const FLUSH_MS = 1_000;

export interface Traces {
  /** Who writes spans, if anybody does. */
  tracer: Tracer | undefined;
  /** Sends what is left, for a second at most, and no longer than until `hurry`. Never rejects. */
  stop(hurry: AbortSignal): Promise<void>;
}

/** Traces as the container's environment wants them. Where it wants none, nothing is loaded. */
export async function openTraces(
  config: Pick<AgentConfig, 'traces' | 'machineId' | 'containerGroupId'>,
  log: Logger,
): Promise<Traces> {
  const { settings, warnings } = config.traces;
  for (const warning of warnings) log.warn({ warning }, 'A setting of traces cannot be used');
  if (settings === undefined) return { tracer: undefined, stop: async () => undefined };
  const attributes = {
    'kelpie.machine.id': config.machineId,
    'kelpie.container_group.id': config.containerGroupId,
  };
  const identity = { service: SERVICE, version: VERSION, attributes };
  const tracer = await openTracer(settings, identity, (reason) => log.warn({ reason }, 'Traces are incomplete'));
  log.info({ collector: new URL(settings.url).origin }, 'Traces are written');
  return {
    tracer,
    async stop(hurry) {
      const stopped = new AbortController();
      const hurried = whenAborted(hurry, stopped.signal);
      await Promise.race([tracer.stop(isAborted(hurry) ? 0 : FLUSH_MS), hurried]);
      stopped.abort();
    },
  };
}
