import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';

/** What the parent says when it forks this program: in one JSON argument. */
export interface StoreRequest {
  program: string;
  args: string[];
  environment: Record<string, string>;
  /** Removed in the end, with all that lies in `litter` elsewhere. */
  directory: string;
  litter: string[];
  /** Where the store answers once it is ready. */
  url: string;
}

/** What the parent hears, once. */
export type StoreReport = { isReady: true } | { error: string };

const Request = z.object({
  program: z.string(),
  args: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  directory: z.string(),
  litter: z.array(z.string()),
  url: z.string(),
});

const READY_WITHIN_MS = 60_000;
const TOLD_CHARACTERS = 2_000;

if (import.meta.main) {
  const request = Request.parse(JSON.parse(process.argv[2] ?? '{}'));
  const store = launch(request);
  // The parent is gone, whichever way it went, or needs the store no more. A terminal's Ctrl-C is the parent's to handle.
  process.once('disconnect', () => void end(store, request));
  process.on('SIGINT', () => undefined);
  const report: StoreReport = await ready(store, request.url).then(
    () => ({ isReady: true }),
    (error: unknown) => ({ error: messageOf(error) }),
  );
  process.send?.(report);
  if ('error' in report) await end(store, request);
}

interface Store {
  child: ChildProcess;
  /** The end of what it wrote. */
  told: () => string;
  ended: Promise<unknown>;
}

function launch({ program, args, environment, directory }: StoreRequest): Store {
  const env = { PATH: process.env.PATH, HOME: directory, TMPDIR: directory, ...environment };
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (told = (told + text).slice(-TOLD_CHARACTERS)));
  }
  return { child, told: () => told, ended: once(child, 'exit').catch((error: unknown) => error) };
}

async function ready({ child, told, ended }: Store, url: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  const over = new AbortController();
  void ended.then(() => over.abort());
  for (;;) {
    if (over.signal.aborted) throw new Error(`it ended with code ${String(child.exitCode)}: ${told()}`);
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    if (answer !== undefined && answer.status < 500) return;
    if (performance.now() > deadline) throw new Error(`no answer within ${READY_WITHIN_MS / 1000} s: ${told()}`);
    await delay(50);
  }
}

async function end({ child, ended }: Store, { directory, litter }: StoreRequest): Promise<void> {
  child.kill('SIGKILL');
  await ended;
  for (const path of [directory, ...litter]) await rm(path, { recursive: true, force: true });
  process.exit(0);
}
