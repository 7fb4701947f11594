import { SEEN_EVERY_SECONDS } from '../core/agents/alive.ts';
import { forgetAgents, forgetSurplusAgents } from '../core/agents/forget.ts';
import { callForWaiting } from '../core/agents/call.ts';
import { recordPresence, signalLeaving } from '../core/agents/presence.ts';
import { sweepLeases } from '../core/leases/rescue.ts';
import type { OpenCore } from '../core/open.ts';
import { createPruner } from '../core/retention/prune.ts';
import { createSender } from '../core/webhooks/deliver.ts';
import { backoffMillis } from '../lib/backoff.ts';
import { pause } from '../lib/pause.ts';
import { periodic, type Periodic, type Service } from '../lib/service.ts';
import { createScalingLoop } from './scaling-loop.ts';

/** Commands write all the time, so those who follow their logs are told in bundles (milliseconds). */
const LOGS_AT_MOST_EVERY_MS = 50;

/** The core's periodic work, on timers. What can't wait for its turn is poked when some server announces a change. */
export function createLoops(core: OpenCore, onError: (error: Error) => void): Service {
  const feed = createFeedLoop(core, onError);
  const sweep = () => sweepLeases(core, core.reconnectGraceSeconds);
  const rescue = periodic({ name: 'rescue', everyMs: 1_000, runOnce: sweep, onError });
  const agents = createAgentLoops(core, onError);
  const logs = periodic({
    name: 'logs',
    everyMs: 1_000,
    runOnce: async () => {
      await core.logFollowers.runOnce();
      await pause(LOGS_AT_MOST_EVERY_MS);
    },
    onError,
  });
  const sender = createSender({ core, allowed: core.webhookAllowed, onRoom: () => webhooks.poke(), onError });
  const webhooks = periodic({ name: 'webhooks', everyMs: 1_000, runOnce: () => sender.runOnce(), onError });
  const pruner = createPruner(core, core.keepDays);
  const pruning = periodic({ name: 'pruning', everyMs: 60_000, runOnce: () => pruner.runOnce(), onError });
  const keys = createKeyLoop(core, onError);
  const scaling = core.provider === undefined ? [] : [createScalingLoop(core, core.provider, onError)];
  const all = [feed, rescue, webhooks, logs, keys, pruning, ...agents, ...scaling];
  core.onChange('jobs', () => {
    feed.poke();
    webhooks.poke();
  });
  core.onChange('logs', () => logs.poke());
  return {
    start: () => all.forEach((loop) => loop.start()),
    stop: async () => {
      pruner.stop();
      await Promise.all(all.map((loop) => loop.stop()));
      await sender.stop();
    },
  };
}

/** Well within the time after which an agent of which nothing was heard is gone. */
const SEEN_EVERY_MS = SEEN_EVERY_SECONDS * 1_000;

/** What is done for all agents that are connected to this server, each time with one statement for all of them. */
function createAgentLoops(core: OpenCore, onError: (error: Error) => void): Service[] {
  const { signals } = core;
  return [
    { name: 'calling', everyMs: 1_000, runOnce: () => callForWaiting(core, signals) },
    { name: 'leaving', everyMs: 1_000, runOnce: () => signalLeaving(core, signals) },
    { name: 'presence', everyMs: SEEN_EVERY_MS, runOnce: () => recordPresence(core, signals) },
    { name: 'forgetting agents', everyMs: 600_000, runOnce: () => forgetAgents(core, core.agentRetentionDays) },
    { name: 'forgetting agents that are too many', everyMs: 60_000, runOnce: () => forgetSurplusAgents(core) },
  ].map((loop) => periodic({ ...loop, onError }));
}

/** How soon events that could not be settled are looked at again, in milliseconds. */
const SETTLING = { baseMs: 40, capMs: 1_000 };

/**
 * Reads the feed. What an open transaction holds up is settled by its end, which nobody may announce, because a heartbeat changes
 * nothing to be told: so it is looked at again soon, and less and less often while it lasts.
 */
function createFeedLoop(core: OpenCore, onError: (error: Error) => void): Periodic {
  let again: NodeJS.Timeout | undefined;
  let heldUp = 0;
  const loop = periodic({
    name: 'feed',
    everyMs: 1_000,
    runOnce: async () => {
      const { unsettled } = await core.feed.runOnce();
      heldUp = unsettled > 0 ? heldUp + 1 : 0;
      clearTimeout(again);
      if (heldUp > 0) again = setTimeout(() => loop.poke(), backoffMillis(heldUp - 1, SETTLING));
    },
    onError,
  });
  return {
    ...loop,
    async stop() {
      await loop.stop();
      clearTimeout(again);
    },
  };
}

/** Ends what is open under keys that are no longer good: every 2 s for certain, and at once when a revocation is announced. */
function createKeyLoop(core: OpenCore, onError: (error: Error) => void): Periodic {
  const loop = periodic({ name: 'keys', everyMs: 2_000, runOnce: () => core.keyWatch.runOnce(), onError });
  core.onChange('keys', () => loop.poke());
  return loop;
}
