import { setTimeout as delay } from 'node:timers/promises';

/** Between two questions passes so much of what was waited before, within these bounds: whoever asks takes time from what is waited for. */
const PART = 0.05;
const AT_LEAST_MS = 4;
const AT_MOST_MS = 50;

/** Asks again and again, less often in the long run, until the answer is there; fails, with `what` was expected, after `withinMs`. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | undefined | false | Promise<Answer | undefined | false>,
  withinMs = 10_000,
): Promise<Answer> {
  const began = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    const waitedMs = performance.now() - began;
    if (waitedMs > withinMs) throw new Error(`Waited ${withinMs} ms in vain for ${what}`);
    await delay(Math.min(Math.max(waitedMs * PART, AT_LEAST_MS), AT_MOST_MS));
  }
}
