import { buildApp } from 'fauxqs';
import { z } from 'zod';

/** What the parent says when it forks this program: in one JSON argument. */
export interface S3Request {
  port: number;
  buckets: string[];
}

/** What the parent hears, once. */
export type S3Report = { port: number } | { error: string };

const Request = z.object({ port: z.number(), buckets: z.array(z.string()) });
const NEIGHBOURS = 100;

if (import.meta.main) {
  // The parent is gone, whichever way it went: nobody needs this store any more.
  process.once('disconnect', () => process.exit(0));
  // A terminal's Ctrl-C reaches the whole group; the parent decides when the store may go.
  process.on('SIGINT', () => undefined);
  const report: S3Report = await serve(Request.parse(JSON.parse(process.argv[2] ?? '{}'))).then(
    (port) => ({ port }),
    (error: unknown) => ({ error: String(error) }),
  );
  process.send?.(report);
}

async function serve({ port, buckets }: S3Request): Promise<number> {
  const last = port === 0 ? 0 : Math.min(port + NEIGHBOURS, 65_535);
  for (let candidate = port; candidate <= last; candidate += 1) {
    // Its own `startFauxqs` would listen on every interface. An app that failed to listen can't try again.
    const app = buildApp({ logger: false });
    try {
      const address = await app.listen({ host: '127.0.0.1', port: candidate });
      for (const bucket of buckets) await createBucket(app, bucket);
      return Number(new URL(address).port);
    } catch (error) {
      await app.close();
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
  throw new Error(`expected a free port from ${port} to ${last} on 127.0.0.1, all are taken`);
}

async function createBucket(app: ReturnType<typeof buildApp>, bucket: string): Promise<void> {
  const { statusCode, body } = await app.inject({ method: 'PUT', url: `/${bucket}` });
  if (statusCode !== 200) throw new Error(`the bucket ${bucket} could not be made: ${statusCode} ${body}`);
}
