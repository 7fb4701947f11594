import { setTimeout as delay } from 'node:timers/promises';

/** Asks again every few milliseconds until the answer is there; fails, with `what` was expected, after `withinMs`. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | undefined | false | Promise<Answer | undefined | false>,
  withinMs = 10_000,
): Promise<Answer> {
  const end = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`Waited ${withinMs} ms in vain for ${what}`);
    await delay(4);
  }
}
