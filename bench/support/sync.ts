import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { AnyStore } from './store.ts';
import type { SyncReport, SyncTask } from './sync-process.ts';

const Report = z.object({
  transferMs: z.number(),
  peakBytes: z.number(),
  latestMs: z.number(),
  cpuMs: z.number(),
});

const PROGRAM = join(import.meta.dirname, 'sync-process.ts');

export type Transfer = Pick<SyncTask, 'way' | 'prefix' | 'directory' | 'compression'>;

export interface RunningSync {
  /** Resolves with the first line of output. */
  said: Promise<void>;
  /** Ends its input, and resolves when it is over. Throws when it failed. */
  finish(): Promise<SyncReport & { wholeMs: number }>;
}

/**
 * Starts a transfer by the agent's own code in a process of its own. `compileCache`: a directory in which Node keeps what it has
 * compiled, as the agent's executable carries it in itself.
 */
function startSync(transfer: Transfer, store: AnyStore, compileCache: string): RunningSync {
  const began = performance.now();
  const request: SyncTask = { ...transfer, endpoint: store.url, bucket: store.bucket };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(request)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      AWS_ACCESS_KEY_ID: store.keyId,
      AWS_SECRET_ACCESS_KEY: store.secret,
      NODE_COMPILE_CACHE: compileCache,
    },
  });
  let told = '';
  const said = Promise.withResolvers<undefined>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told += text;
    if (told.includes('\n')) said.resolve(undefined);
  });
  const ended = new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  return {
    said: said.promise,
    async finish() {
      child.stdin.end();
      const code = await ended;
      const wholeMs = performance.now() - began;
      if (code !== 0) throw new Error(`a transfer ended with code ${String(code)}`);
      return { ...Report.parse(JSON.parse(told.trim().split('\n').at(-1) ?? '')), wholeMs };
    },
  };
}

/** Starts one that mirrors an empty directory, named like its prefix, while something goes on in there. */
export async function startMirror(
  directory: string,
  prefix: string,
  store: AnyStore,
): Promise<{ local: string; sync: RunningSync }> {
  const local = join(directory, prefix);
  await mkdir(local);
  const transfer: Transfer = { way: 'MIRROR', prefix, directory: local, compression: false };
  const sync = startSync(transfer, store, join(directory, 'cache'));
  await sync.said;
  return { local, sync };
}

export function runSync(transfer: Transfer, store: AnyStore, compileCache: string): ReturnType<RunningSync['finish']> {
  return startSync(transfer, store, compileCache).finish();
}
