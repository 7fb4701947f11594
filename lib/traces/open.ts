import type { TraceSettings } from './settings.ts';
import { steady } from './steady.ts';
import type { Identity, Tracer } from './tracer.ts';

/** Loads what it takes, which nobody pays for who has no traces. `onTrouble` is told at most once a minute, in words without secrets. */
export async function openTracer(
  settings: TraceSettings,
  identity: Identity,
  onTrouble: (reason: string) => void,
): Promise<Tracer> {
  const { createTracer } = await import('./open-telemetry.ts');
  return steady(createTracer(settings, identity, onTrouble), onTrouble);
}
