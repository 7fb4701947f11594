import type { Page } from 'playwright-core';
import { z } from 'zod';
import { rounded } from './stats.ts';

export interface Frames {
  /** Milliseconds between one frame and the next. */
  deltas: number[];
  /** Milliseconds of each task that kept the page from drawing for more than 50. */
  longTasks: number[];
  /** What the page's own thread computed for it, in milliseconds: less dependent on what else the machine does than all others. */
  busyMs: number;
}

/** The frames that a page draws while it is scrolled for so long, and what they cost its thread. */
export async function framesOf(page: Page, seconds: number): Promise<Frames> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const busy = async (): Promise<number> => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1_000;
  };
  const before = await busy();
  const counted = await scrollAndCount(page, seconds);
  return { ...counted, busyMs: (await busy()) - before };
}

const framesSchema = z.object({ deltas: z.array(z.number()).min(10), longTasks: z.array(z.number()) });

/** Scrolls at a reader's pace, down and up again over the newest thousand rows, where most of the changes are, and counts. */
async function scrollAndCount(page: Page, seconds: number): Promise<z.infer<typeof framesSchema>> {
  return framesSchema.parse(
    await page.evaluate(`new Promise((resolve) => {
      const deltas = [];
      const longTasks = [];
      const observer = new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)));
      observer.observe({ type: 'longtask' });
      let last;
      let step = 25;
      const until = performance.now() + ${seconds * 1_000};
      const frame = (now) => {
        if (last !== undefined) deltas.push(now - last);
        last = now;
        window.scrollBy(0, step);
        if (window.scrollY > 3000) step = -25;
        if (window.scrollY < 1) step = 25;
        if (performance.now() < until) return requestAnimationFrame(frame);
        observer.disconnect();
        resolve({ deltas, longTasks });
      };
      requestAnimationFrame(frame);
    })`),
  );
}

export function fpsOf({ deltas }: Frames): number {
  return rounded((deltas.length / deltas.reduce((sum, delta) => sum + delta, 0)) * 1_000);
}

/** Milliseconds of the page's thread for each frame. */
export function costOf({ busyMs, deltas }: Frames): number {
  return rounded(busyMs / deltas.length, 2);
}
