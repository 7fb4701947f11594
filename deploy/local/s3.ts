import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { S3Report, S3Request } from './s3-process.ts';

export interface S3Options {
  /** A TCP port on 127.0.0.1. Default: a free one. A taken one becomes the next free one. */
  port?: number;
  /** Made before this returns. */
  buckets?: string[];
}

export interface S3 {
  /** The endpoint. Any credentials do; the region is us-east-1. */
  url: string;
  pid: number;
  /** Ends the store with all it holds. Again is fine. */
  stop: () => Promise<void>;
}

/**
 * Starts an S3 store for demonstration and tests, in a process of its own that ends with ours however ours ends.
 * Everything is in its memory; a body may have 11 MiB, so upload larger things in parts of 8 MiB.
 * Throws an Error when the store can't listen, or a bucket can't be made.
 */
export async function startS3({ port = 0, buckets = [] }: S3Options = {}): Promise<S3> {
  const request: S3Request = { port, buckets };
  const program = fileURLToPath(new URL('s3-process.ts', import.meta.url));
  // Without our own flags: a debugger's port or a test runner's loader is not for the store.
  const child = fork(program, [JSON.stringify(request)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const report = await firstReport(child);
  if ('error' in report) {
    await end(child);
    throw new Error(`the S3 store could not start: ${report.error}`);
  }
  // The store must not keep its parent from ending; the broken channel then ends the store.
  child.unref();
  child.channel?.unref();
  return { url: `http://127.0.0.1:${report.port}`, pid: child.pid ?? 0, stop: () => end(child) };
}

const Report = z.union([z.object({ port: z.number() }), z.object({ error: z.string() })]);

async function firstReport(child: ChildProcess): Promise<S3Report> {
  const reported = once(child, 'message').then(([message]) => Report.parse(message));
  const ended = once(child, 'exit').then(([code]) => ({ error: `its process ended with code ${String(code)}` }));
  return Promise.race([reported, ended]);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.ref();
  child.kill('SIGKILL');
  await ended;
}
