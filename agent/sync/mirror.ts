import { lstat } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import type { SyncEntry } from './entry.ts';
import { SyncError } from './errors.ts';
import type { Gate } from './gate.ts';
import type { Ledger } from './ledger.ts';
import type { Logger } from './logger.ts';
import { inParallel, type Task } from './parallel.ts';
import {
  type DeletionQueue,
  planMirror,
  type PlannedUpload,
  queueDeletions,
  releaseDeletions,
  startable,
} from './plan.ts';
import { createPublisher, type Publish } from './publisher.ts';
import type { RetryPolicy } from './retry.ts';
import type { ObjectStore } from './s3.ts';
import type { SettleTimes } from './settle.ts';
import { type Candidate, survey, type Survey } from './survey.ts';
import type { Outcome } from './transfer.ts';

export interface MirrorParts {
  store: ObjectStore;
  policy: RetryPolicy;
  entries: readonly SyncEntry[];
  ledger: Ledger;
  gate: Gate;
  times: SettleTimes;
  /** Files on their way at once. Memory: up to 16 MiB each, 48 MiB where large files are compressed. */
  concurrency: number;
  onUploaded: (bytes: number) => void;
}

/** Makes the bucket follow the entries' directories. One call at a time. */
export interface Mirror {
  /** Publishes what has settled. Resolves to the milliseconds after which to look again, if anything is left to do. */
  pass(signal: AbortSignal): Promise<number | undefined>;
  /**
   * Publishes everything as it is now, and then deletes what is gone if `deletes`. Throws SyncError if a file could not
   * be read or published.
   */
  finish(options: { deletes: boolean }, signal: AbortSignal): Promise<void>;
}

export function createMirror(parts: MirrorParts): Mirror {
  const { entries, ledger, policy } = parts;
  const publisher = createPublisher(parts);
  const bench: Bench = { ...parts, failures: new Map() };
  const told = new Set<string>();
  let queue: DeletionQueue = new Map();

  return {
    async pass(signal) {
      const found = await survey(entries, ledger);
      tellOnce(found.problems, told, policy.log);
      const plan = planMirror(found.known, found.seen, found.complete);
      queue = queueDeletions(queue, plan, found.seen);
      const waits = publisher.lookAt(plan.uploads);
      const ready = startable(plan.uploads, (id) => !waits.has(id));
      const results = await upload(bench, found, ready, publisher.publishSettled, signal);
      const released = releaseDeletions(queue, publishedAmong(results));
      queue = released.queue;
      await deleteAll(bench, released.due, signal);
      const again = [
        ...waits.values(),
        ...(results.some(({ kind }) => kind === 'changed') ? [parts.times.stabilityCheckMs] : []),
      ];
      return again.length === 0 ? undefined : Math.min(...again);
    },

    async finish({ deletes }, signal) {
      const found = await survey(entries, ledger);
      const plan = planMirror(found.known, found.seen, found.complete);
      queue = queueDeletions(queue, plan, found.seen);
      bench.failures.clear();
      const results = await upload(bench, found, plan.uploads, publisher.publishNow, signal);
      const faults = [
        ...found.problems,
        ...results.flatMap((result) => (result.kind === 'failed' ? [result.reason] : [])),
      ];
      if (faults.length > 0) throw new SyncError(describe(faults));
      // Everything there is has been published, so no deletion waits for anything.
      if (deletes) await deleteAll(bench, [...queue.keys()], signal);
      queue = new Map();
    },
  };
}

type Bench = MirrorParts & { failures: Map<string, number> };

type Result = { id: string } & (Outcome | { kind: 'failed'; reason: string } | { kind: 'postponed' });

function tellOnce(problems: readonly string[], told: Set<string>, log: Logger): void {
  for (const problem of problems) {
    if (!told.has(problem)) log.warn({ problem }, 'part of a synced directory cannot be read');
    told.add(problem);
  }
}

/** After so many failures in a row a file no longer holds back the ones written after it. */
const PATIENCE = 3;

/** Uploads in the order of writing; a marker starts when everything before it has arrived. */
async function upload(
  bench: Bench,
  found: Survey,
  uploads: readonly PlannedUpload[],
  publish: Publish,
  signal: AbortSignal,
): Promise<Result[]> {
  const earlier: Promise<Result>[] = [];
  const tasks = uploads.flatMap(({ id, marker }): Task<Result>[] => {
    const candidate = found.candidates.get(id);
    if (candidate === undefined) return [];
    return [
      async (aborted) => {
        const before = marker ? [...earlier] : [];
        const result = settleOne(bench, id, candidate, before, (own) => publish(id, candidate, own), aborted);
        earlier.push(result);
        return result;
      },
    ];
  });
  return inParallel(tasks, bench.concurrency, signal);
}

async function settleOne(
  bench: Bench,
  id: string,
  candidate: Candidate,
  before: readonly Promise<Result>[],
  publish: (signal: AbortSignal) => Promise<Outcome>,
  signal: AbortSignal,
): Promise<Result> {
  const { gate, ledger, failures, policy, onUploaded } = bench;
  const isHeldBack = (await Promise.all(before)).some(
    (result) => result.kind === 'postponed' || (result.kind === 'failed' && (failures.get(result.id) ?? 0) < PATIENCE),
  );
  if (isHeldBack) return { id, kind: 'postponed' };
  try {
    const outcome = await gate.pass(signal, publish);
    if (outcome.kind === 'published') {
      ledger.set(id, { path: candidate.path, state: outcome.state });
      failures.delete(id);
      onUploaded(outcome.bytes);
      policy.log.debug({ object: id, bytes: outcome.bytes }, 'published');
    }
    return { id, ...outcome };
  } catch (error) {
    signal.throwIfAborted();
    failures.set(id, (failures.get(id) ?? 0) + 1);
    const reason = `${candidate.entry.name}: "${candidate.relativePath}" could not be uploaded: ${messageOf(error)}`;
    policy.log.warn({ reason }, 'upload failed; it is tried again with the next look at the directory');
    return { id, kind: 'failed', reason };
  }
}

function publishedAmong(results: readonly Result[]): ReadonlySet<string> {
  return new Set(results.filter(({ kind }) => kind === 'published').map(({ id }) => id));
}

async function deleteAll(bench: Bench, ids: readonly string[], signal: AbortSignal): Promise<void> {
  const tasks = ids.map(
    (id): Task<void> =>
      (aborted) =>
        deleteOne(bench, id, aborted),
  );
  await inParallel(tasks, bench.concurrency, signal);
}

/** A deletion that fails costs storage, not data: it is only told. */
async function deleteOne({ store, gate, ledger, policy }: Bench, id: string, signal: AbortSignal): Promise<void> {
  const record = ledger.get(id);
  if (record === undefined || (await exists(record.path))) return;
  const bucket = id.slice(0, id.indexOf('/'));
  const key = id.slice(bucket.length + 1);
  try {
    await gate.pass(signal, (own) => store.delete({ bucket, key }, own));
    ledger.delete(id);
    policy.log.debug({ object: id }, 'deleted');
  } catch (error) {
    signal.throwIfAborted();
    policy.log.warn({ object: id, reason: messageOf(error) }, 'an object whose file is gone could not be deleted');
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

const FAULTS_SHOWN = 3;

function describe(faults: readonly string[]): string {
  const rest = faults.length - FAULTS_SHOWN;
  return [...faults.slice(0, FAULTS_SHOWN), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}
