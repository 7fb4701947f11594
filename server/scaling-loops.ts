import { signalRetirements } from '../core/agents/presence.ts';
import type { OpenCore } from '../core/open.ts';
import type { Provider } from '../core/scaling/provider.ts';
import { createScaler } from '../core/scaling/scaler.ts';
import { pause } from '../lib/pause.ts';
import { periodic, type Service } from '../lib/service.ts';

/** Queues change all the time, so they are looked at in bundles (milliseconds). */
const QUEUES_AT_MOST_EVERY_MS = 100;

/** Tells agents that are too many that they may leave; and keeps groups at their size, where there is a provider to ask. */
export function createScalingLoops(core: OpenCore, onError: (error: Error) => void): Service[] {
  const runOnce = () => signalRetirements(core, core.signals);
  const retirements = periodic({ name: 'retirements', everyMs: 1_000, runOnce, onError });
  return core.provider === undefined ? [retirements] : [retirements, createScalingLoop(core, core.provider, onError)];
}

function createScalingLoop(core: OpenCore, provider: Provider, onError: (error: Error) => void): Service {
  const scaler = createScaler({ core, provider, onNews: () => loop.poke(), onError });
  const loop = periodic({
    name: 'scaling',
    everyMs: 500,
    runOnce: async () => {
      await scaler.runOnce();
      await pause(QUEUES_AT_MOST_EVERY_MS);
    },
    onError,
  });
  return {
    start: () => loop.start(),
    stop: async () => {
      await loop.stop();
      await scaler.stop();
    },
  };
}
