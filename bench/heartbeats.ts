import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTemporaryDirectory } from '../lib/temporary.ts';
import { benchmark, type Figures } from './support/benchmark.ts';
import { number, toggle } from './support/flags.ts';
import { writeLargeFile } from './support/files.ts';
import { gatewayOrExit } from './support/peers.ts';
import { rounded, say } from './support/stats.ts';
import { startStore } from './support/store.ts';
import { runSync } from './support/sync.ts';

/**
 * Do large transfers ever hold up the event loop, on which heartbeats depend? 4 GiB go up and down, as they are and compressed, while
 * a timer of 100 ms in the same process records how late it ever was.
 */
export const heartbeats = benchmark(
  'Do large transfers ever hold up the event loop, on which heartbeats depend?',
  {
    gib: number('how much goes up and down', 4, { whole: false, min: 0.01, max: 1_000 }),
    plain: toggle('only as it is'),
    compressed: toggle('only compressed'),
  },
  measure,
);

async function measure({ gib, ...halves }: { gib: number; plain: boolean; compressed: boolean }): Promise<Figures> {
  const gateway = await gatewayOrExit();
  const directory = await makeTemporaryDirectory('kelpie-bench-heartbeats-');
  const store = await startStore(gateway, directory);
  try {
    const source = join(directory, 'source');
    await mkdir(source);
    await writeLargeFile(join(source, 'weights.bin'), gib * 2 ** 30);
    const figures: Record<string, unknown> = { gib };
    for (const compression of halvesOf(halves)) {
      for (const way of ['UP', 'DOWN'] as const) {
        const name = `${way === 'UP' ? 'up' : 'down'}${compression ? '_compressed' : ''}`;
        const local = way === 'UP' ? source : join(directory, 'target');
        const prefix = compression ? 'compressed' : 'plain';
        await mkdir(local, { recursive: true });
        const run = await runSync({ way, prefix, directory: local, compression }, store, join(directory, 'cache'));
        if (way === 'DOWN') await rm(local, { recursive: true });
        figures[`${name}_latest_ms`] = rounded(run.latestMs, 0);
        figures[`${name}_rss_mib`] = rounded(run.peakBytes / 2 ** 20, 0);
        const seconds = rounded(run.transferMs / 1000);
        say(`${gib} GiB ${name.padEnd(16)} ${seconds} s, a timer at most ${rounded(run.latestMs, 0)} ms late`);
      }
    }
    return figures;
  } finally {
    await store.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

function halvesOf({ plain, compressed }: { plain: boolean; compressed: boolean }): boolean[] {
  return plain === compressed ? [false, true] : [compressed];
}
