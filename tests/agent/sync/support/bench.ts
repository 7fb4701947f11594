import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeEach } from 'vitest';
import {
  type AttemptSync,
  createAttemptSync,
  type EarlierAttempts,
  type SyncSettings,
} from '../../../../agent/sync/attempt-sync.ts';
import type { SyncInstruction } from '../../../../agent/sync/entry.ts';
import type { Logger } from '../../../../agent/sync/logger.ts';
import type { Death } from '../../../../agent/sync/suspicion.ts';
import { createS3Store, type ObjectStore } from '../../../../agent/sync/s3.ts';
import { type Relay, startRelay } from './relay.ts';
import { BUCKET, openStore } from './store.ts';

export { BUCKET } from './store.ts';

/** A store with a relay before it, and a directory for each test. */
export interface Bench {
  relay: Relay;
  /** What goes through the relay, as an agent has it. */
  store: ObjectStore;
  /** Makes a sync that works in `directory()`. */
  sync(given: SyncGiven): AttemptSync;
  /** The present test's directory. */
  directory(): string;
  /** A path in it. */
  local: (path: string) => string;
  write(path: string, content: string | Buffer): Promise<string>;
  put(key: string, body: string | Buffer<ArrayBuffer>, more?: { ContentEncoding?: string }): Promise<void>;
  remove(key: string): Promise<void>;
  get(key: string): Promise<GetObjectCommandOutput>;
  /** The object's bytes as text; undefined when there is no such object. */
  text(key: string): Promise<string | undefined>;
  keys(prefix?: string): Promise<string[]>;
  logged: { level: string; details: object; message: string }[];
  /** Before each test. */
  fresh(): Promise<void>;
  /** After each test. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export interface SyncGiven {
  before?: SyncInstruction[];
  during?: SyncInstruction[];
  after?: SyncInstruction[];
  compression?: boolean;
  settings?: Partial<SyncSettings>;
  workingDirectory?: string;
  jobId?: string;
  /** Of one agent's syncs, the same set. */
  asides?: Set<string>;
  earlier?: EarlierAttempts;
  /** In place of the one that goes through the relay. */
  store?: ObjectStore;
}

export function instruction(
  direction: 'DOWNLOAD' | 'UPLOAD',
  prefix: string,
  localPath: string,
  more: Partial<SyncInstruction> = {},
): SyncInstruction {
  return { bucket: BUCKET, prefix, localPath, direction, pattern: null, patternSyntax: null, ...more };
}

/** One for the tests of a file, from its beginning to its end. What a file itself does after each test, or after all, comes before its end. */
export async function benchOfFile(): Promise<Bench> {
  const bench = await startBench();
  afterAll(() => bench.stop());
  beforeEach(() => bench.fresh());
  afterEach(() => bench.clear());
  return bench;
}

/** On the store of KELPIE_TEST_S3_ENDPOINT, or else on the embedded one. */
export async function startBench(): Promise<Bench> {
  const server = await openStore();
  const { client } = server;
  const relay = await startRelay(server.url);
  const ownStore = createS3Store({ endpoint: relay.url, region: 'us-east-1' });
  const started: AttemptSync[] = [];
  const logged: Bench['logged'] = [];
  let directory = '';
  const local = (path: string): string => join(directory, path);

  const keys = async (prefix = ''): Promise<string[]> => {
    const query = { Bucket: BUCKET, Prefix: prefix, EncodingType: 'url' as const };
    const page = await client.send(new ListObjectsV2Command(query));
    const decode = (key: string) => (page.EncodingType === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key);
    return (page.Contents ?? []).map(({ Key = '' }) => decode(Key)).sort();
  };
  const get = (key: string) => client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  return {
    relay,
    store: ownStore,
    logged,
    keys,
    get,
    directory: () => directory,
    local,
    sync({
      before = [],
      during = [],
      after = [],
      compression = false,
      settings,
      workingDirectory,
      jobId = 'a-job',
      store = ownStore,
      ...more
    }) {
      const sync = createAttemptSync({
        ...more,
        store,
        jobId,
        plan: { before, during, after },
        compression,
        settings: { ...QUICK, ...settings },
        workingDirectory: workingDirectory ?? directory,
        log: loggerInto(logged),
      });
      started.push(sync);
      return sync;
    },
    async write(path, content) {
      const absolute = local(path);
      await mkdir(dirname(absolute), { recursive: true });
      await writeFile(absolute, content);
      return absolute;
    },
    async put(key, body, { ContentEncoding } = {}) {
      if (server.asksForSignatures) {
        await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body, ContentEncoding }));
        return;
      }
      const headers = ContentEncoding === undefined ? {} : { 'content-encoding': ContentEncoding };
      const url = `${server.url}/${BUCKET}/${key.split('/').map(encodeURIComponent).join('/')}`;
      // A plain request is several times as quick.
      const answer = await fetch(url, { method: 'PUT', body, headers });
      if (!answer.ok) throw new Error(`the store answered ${answer.status} to a PUT of ${key}`);
    },
    async remove(key) {
      await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
    },
    async text(key) {
      const answer = await get(key).catch(() => undefined);
      return answer?.Body?.transformToString();
    },
    async fresh() {
      directory = await mkdtemp(join(tmpdir(), 'kelpie-sync-'));
      relay.seen.length = 0;
      logged.length = 0;
    },
    async clear() {
      relay.interfere = () => undefined;
      relay.breakOff = () => false;
      relay.rewrite = (headers) => headers;
      relay.rewriteAnswer = (headers) => headers;
      relay.answer = () => undefined;
      await Promise.all(started.splice(0).map((sync) => sync.stop()));
      await rm(directory, { recursive: true, force: true });
    },
    async stop() {
      ownStore.close();
      await relay.stop();
      await server.stop();
    },
  };
}

const QUICK: SyncSettings = {
  debounceMs: 10,
  stabilityCheckMs: 20,
  maxWaitMs: 300,
  diskWaitMs: 60_000,
  maxRetries: 1,
  concurrency: 8,
};

function loggerInto(logged: Bench['logged']): Logger {
  const at = (level: string) => (details: object, message: string) => void logged.push({ level, details, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Never aborted. */
export const always = new AbortController().signal;

/** Waits until `condition` holds; fails with what it last said when that takes too long. */
export async function eventually<T>(condition: () => Promise<T> | T, millis = 5_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + millis;
  for (;;) {
    const answer = await condition();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${millis} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Of everybody in one moment. */
export function death(at: number): Death {
  return { from: at, until: at };
}
