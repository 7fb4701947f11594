import { recordPresence, signalDrains } from '../core/agents/presence.ts';
import { sweepLeases } from '../core/leases/rescue.ts';
import type { OpenCore } from '../core/open.ts';
import { deliverDue } from '../core/webhooks/deliver.ts';
import { periodic, type Service } from '../lib/service.ts';

/** How soon events that could not be settled are looked at again, in milliseconds. */
const SETTLE_MS = 50;

/** The core's periodic work, on timers. What can't wait for its turn is poked when some server announces a change. */
export function createLoops(core: OpenCore, onError: (error: Error) => void): Service {
  const feed = periodic({
    name: 'feed',
    everyMs: 1_000,
    runOnce: async () => {
      const { unsettled } = await core.feed.runOnce();
      if (unsettled > 0) lookAgain();
    },
    onError,
  });
  let again: NodeJS.Timeout | undefined;
  // What an open transaction holds up is settled by its end, which nobody may announce: a heartbeat changes nothing to be told.
  const lookAgain = (): void => {
    clearTimeout(again);
    again = setTimeout(() => feed.poke(), SETTLE_MS);
  };
  const rescue = periodic({
    name: 'rescue',
    everyMs: 1_000,
    runOnce: () => sweepLeases(core, core.reconnectGraceSeconds),
    onError,
  });
  const drains = periodic({ name: 'drains', everyMs: 1_000, runOnce: () => signalDrains(core, core.signals), onError });
  const webhooks = periodic({ name: 'webhooks', everyMs: 1_000, runOnce: () => deliverDue(core), onError });
  const presence = periodic({
    name: 'presence',
    everyMs: 5_000,
    runOnce: () => recordPresence(core, core.signals),
    onError,
  });
  const keys = periodic({ name: 'keys', everyMs: 2_000, runOnce: () => core.keyWatch.runOnce(), onError });
  const all = [feed, rescue, webhooks, presence, drains, keys];
  core.onChange(() => {
    feed.poke();
    webhooks.poke();
  });
  return {
    start: () => all.forEach((loop) => loop.start()),
    stop: async () => {
      await Promise.all(all.map((loop) => loop.stop()));
      clearTimeout(again);
    },
  };
}
