import { recordPresence, signalDrains } from '../core/agents/presence.ts';
import { sweepLeases } from '../core/leases/rescue.ts';
import type { OpenCore } from '../core/open.ts';
import { deliverDue } from '../core/webhooks/deliver.ts';
import { pause } from '../lib/pause.ts';
import { periodic, type Service } from '../lib/service.ts';

/** Commands write all the time, so those who follow their logs are told in bundles (milliseconds). */
const LOGS_AT_MOST_EVERY_MS = 50;

/** The core's periodic work, on timers. What can't wait for its turn is poked when some server announces a change. */
export function createLoops(core: OpenCore, onError: (error: Error) => void): Service {
  const feed = periodic({ name: 'feed', everyMs: 1_000, runOnce: () => core.feed.runOnce(), onError });
  const rescue = periodic({
    name: 'rescue',
    everyMs: 1_000,
    runOnce: () => sweepLeases(core, core.reconnectGraceSeconds),
    onError,
  });
  const drains = periodic({ name: 'drains', everyMs: 1_000, runOnce: () => signalDrains(core, core.signals), onError });
  const webhooks = periodic({ name: 'webhooks', everyMs: 1_000, runOnce: () => deliverDue(core), onError });
  const logs = periodic({
    name: 'logs',
    everyMs: 1_000,
    runOnce: async () => {
      await core.logFollowers.runOnce();
      await pause(LOGS_AT_MOST_EVERY_MS);
    },
    onError,
  });
  const presence = periodic({
    name: 'presence',
    everyMs: 5_000,
    runOnce: () => recordPresence(core, core.signals),
    onError,
  });
  const all = [feed, rescue, webhooks, logs, presence, drains];
  core.onChange('jobs', () => {
    feed.poke();
    webhooks.poke();
  });
  core.onChange('logs', () => logs.poke());
  return {
    start: () => all.forEach((loop) => loop.start()),
    stop: async () => {
      await Promise.all(all.map((loop) => loop.stop()));
    },
  };
}
