import type { OpenCore } from '../core/open.ts';
import type { Provider } from '../core/scaling/provider.ts';
import { createScaler } from '../core/scaling/scaler.ts';
import { pause } from '../lib/pause.ts';
import { periodic, type Service } from '../lib/service.ts';

/** Queues change all the time, so they are looked at in bundles (milliseconds). */
const QUEUES_AT_MOST_EVERY_MS = 100;

/** Keeps groups at their size, by the provider of their machines. */
export function createScalingLoop(core: OpenCore, provider: Provider, onError: (error: Error) => void): Service {
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
