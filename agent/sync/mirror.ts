import { messageOf } from '../../lib/errors.ts';
import { pause } from '../../lib/pause.ts';
import { createSlots, type Slots } from '../../lib/slots.ts';
import type { Aside } from './aside.ts';
import { deleteAll } from './deletion.ts';
import type { Disks } from './disks.ts';
import { doubt, noteUnanswered } from './doubt.ts';
import type { SyncEntry } from './entry.ts';
import type { Gate } from './gate.ts';
import type { Ledger } from './ledger.ts';
import { type Fault, goneAltogether, neverStill, rejectOn } from './faults.ts';
import { createLookout, type Lookout, LOOKS } from './lookout.ts';
import type { UploadObserver } from './observation.ts';
import { inParallel, type Task, untilAborted } from './parallel.ts';
import { type PlannedUpload, startable } from './plan.ts';
import { createPublisher, type Publish } from './publisher.ts';
import type { RetryPolicy } from './retry.ts';
import type { ObjectStore } from './s3.ts';
import type { SettleTimes } from './settle.ts';
import type { Candidate, Survey } from './survey.ts';
import type { Suspicion } from './suspicion.ts';
import { tornAmong } from './torn.ts';
import { memoryOf, type Outcome } from './transfer.ts';

export interface MirrorParts {
  store: ObjectStore;
  policy: RetryPolicy;
  entries: readonly SyncEntry[];
  ledger: Ledger;
  aside: Pick<Aside, 'now' | 'steady' | 'left' | 'asking'>;
  disks: Pick<Disks, 'answered' | 'looked'>;
  gate: Gate;
  times: SettleTimes;
  /** Files on their way at once, and MiB of memory that they take together. */
  concurrency: number;
  observer: UploadObserver;
  /** Of the command that writes the files; absent where none can have died. */
  suspicion?: Suspicion;
  /** Something that a pass had left under way is done, so another pass may do more. */
  onLate?: () => void;
}

/** Makes the bucket follow the entries' directories. One call of `pass` or `finish` at a time. */
export interface Mirror {
  /** Begins to publish what has settled, and waits for it, but no longer than the longest wait. */
  pass(signal: AbortSignal): Promise<Pass>;
  /**
   * Publishes everything as it is now, and then deletes what is gone if `deletes`. Throws SyncError if a file could not
   * be read or published, or may not have been seen.
   */
  finish(options: Finish, signal: AbortSignal): Promise<void>;
  /** Resolves when nothing is on its way; no pass may be. */
  settled(): Promise<void>;
}

export interface Finish {
  deletes: boolean;
  /** Whether a directory that is not there is a fault: all that it held is lost. */
  demandsRoots?: boolean;
}

export interface Pass {
  /** Milliseconds after which to look again, if anything is left to do. */
  again: number | undefined;
  /** Milliseconds that looking at the directories took. */
  lookedMs: number;
}

/** A file follows in order what was written this many longest waits before it, as a `latest` follows its data. */
const BURST_WAITS = 12;

export function createMirror(parts: MirrorParts): Mirror {
  const { policy, times } = parts;
  const { store, unanswered } = noteUnanswered(parts.store);
  const publisher = createPublisher({ ...parts, store });
  const bench = createBench(parts, unanswered);
  const { underWay, batches } = bench;
  const lookout = createLookout(parts);

  const isSuspected = ({ state, previous }: PlannedUpload) => parts.suspicion?.isOn(state, previous) === true;
  const deleteReleased = (results: readonly Result[], deleting: RetryPolicy, signal: AbortSignal) =>
    deleteAll({ ...bench, policy: deleting }, lookout.release(arrivedAmong(results)), signal);

  const settled = async () => {
    await Promise.allSettled(batches);
    await publisher.letGo();
  };
  return {
    async pass(signal) {
      const { found, plan, look } = await lookout.look();
      const waits = publisher.lookAt(plan.uploads, look);
      const inDoubt = new Set(plan.uploads.filter(isSuspected).map(({ id }) => id));
      const isReady = (id: string) => !waits.has(id) && !underWay.has(id) && !inDoubt.has(id);
      const uploads = startable(plan.uploads, isReady, BURST_WAITS * times.maxWaitMs);
      const batch = { found, uploads, publish: publisher.publishSettled, heldBytes: publisher.heldBytes };
      const results = await uploadInTime(bench, batch, signal);
      // What fails comes again with the next pass, and must not hold up what that one publishes.
      await deleteReleased(results, { ...policy, maxRetries: 0 }, signal);
      const isUnsure = plan.complete && lookout.hasUnsure();
      const soon = isUnsure || results.some(({ kind }) => kind === 'changed') ? [times.stabilityCheckMs] : [];
      const again = Math.min(...waits.values(), ...soon, publisher.againIn(arrivedAmong(results)));
      return { again: again === Infinity ? undefined : again, lookedMs: look.ended - look.began };
    },

    async finish({ deletes, demandsRoots = false }, signal) {
      await untilAborted(settled(), signal);
      bench.failures.clear();
      const results = await publishAll({ bench, lookout, publish: publisher.publishNow, demandsRoots }, signal);
      if (!deletes || !lookout.hasDeletions()) return;
      await lookout.lookWell();
      await deleteReleased(results, policy, signal);
    },

    settled,
  };
}

interface Bench extends MirrorParts {
  toldTorn: Set<string>;
  /** Failures in a row, by object id. */
  failures: Map<string, number>;
  slots: Slots;
  /** The ids of objects of which nobody knows whether they were made. */
  unanswered: Set<string>;
  /** Who publishes an object now, or is about to: until that batch lets go of it no other may. */
  underWay: Map<string, Batch>;
  /** What passes have begun. */
  batches: Set<Promise<unknown>>;
}

function createBench(parts: MirrorParts, unanswered: Set<string>): Bench {
  return {
    ...{ ...parts, unanswered, slots: createSlots(parts.concurrency) },
    ...{ toldTorn: new Set(), failures: new Map(), underWay: new Map(), batches: new Set() },
  };
}

interface Batch {
  found: Survey;
  uploads: readonly PlannedUpload[];
  publish: Publish;
  heldBytes?: (id: string) => number | undefined;
  /** Whether nothing is held back by what could not be published. */
  isLast?: boolean;
  onResult?: (result: Result) => void;
}

type Result = { id: string } & (Outcome | ({ kind: 'failed' } & Fault) | { kind: 'postponed' });

/** Uploads, and resolves to the results of all that is done in time; the rest goes on. */
async function uploadInTime(bench: Bench, batch: Batch, signal: AbortSignal): Promise<Result[]> {
  const { batches, times, onLate } = bench;
  const results: Result[] = [];
  let isLate = false;
  const all = upload(bench, { ...batch, onResult: (result) => results.push(result) }, signal).finally(() => {
    batches.delete(all);
    if (isLate) onLate?.();
  });
  batches.add(all);
  // It fails only when it is aborted, and then nobody may be listening any more.
  all.catch(() => undefined);
  const inTime = new AbortController();
  await Promise.race([all, pause(times.maxWaitMs, inTime.signal)]).finally(() => inTime.abort());
  isLate = batches.has(all);
  return [...results];
}

interface LastLook {
  bench: Bench;
  lookout: Lookout;
  publish: Publish;
  demandsRoots: boolean;
}

async function publishAll({ bench, lookout, publish, demandsRoots }: LastLook, signal: AbortSignal): Promise<Result[]> {
  const results: Result[] = [];
  let restless: string[] = [];
  for (let rounds = 0, moved = true; moved && rounds < LOOKS; rounds++) {
    const { found, plan } = await lookout.lookWell();
    const torn = await tornAmong(bench, plan.uploads, found.candidates, signal);
    const uploads = plan.uploads.filter(({ id }) => !torn.has(id));
    const round = await uploadAll(bench, { found, uploads, publish }, signal);
    results.push(...round);
    const failures = round.flatMap((one) => (one.kind === 'failed' ? [one] : []));
    rejectOn([...(demandsRoots ? found.missing.map(goneAltogether) : []), ...found.problems, ...failures]);
    ({ restless } = found);
    // What is gone was perhaps renamed by something that the command had left running.
    moved = restless.length > 0 || round.some(({ kind }) => kind === 'gone');
  }
  rejectOn(restless.map(neverStill));
  return results;
}

/** There is no later: what waits for a file that could not be published goes without it in the end. */
async function uploadAll(bench: Bench, batch: Batch, signal: AbortSignal): Promise<Result[]> {
  const first = await upload(bench, batch, signal);
  const postponed = new Set(first.filter(({ kind }) => kind === 'postponed').map(({ id }) => id));
  const left = batch.uploads.filter(({ id }) => postponed.has(id));
  return [...first, ...(await upload(bench, { ...batch, uploads: left, isLast: true }, signal))];
}

/** After so many failures in a row a file no longer holds back the ones written after it. */
const PATIENCE = 3;

/** Uploads in the order of writing; a marker starts when everything before it has arrived. */
async function upload(bench: Bench, batch: Batch, signal: AbortSignal): Promise<Result[]> {
  const earlier: Promise<Result>[] = [];
  for (const { id, state } of batch.uploads) {
    bench.underWay.set(id, batch);
    bench.observer.planned(id, state.size);
  }
  const tasks = batch.uploads.flatMap(({ id, marker }): Task<Result>[] => {
    const candidate = batch.found.candidates.get(id);
    if (candidate === undefined) return [];
    return [
      async (aborted) => {
        const result = settleOne(bench, batch, { id, candidate, before: marker ? [...earlier] : [] }, aborted);
        earlier.push(result);
        batch.onResult?.(await result);
        return result;
      },
    ];
  });
  try {
    return await inParallel(tasks, bench.concurrency, signal);
  } finally {
    for (const { id } of batch.uploads) letGo(bench, batch, id);
    bench.observer.burstOver();
  }
}

interface Turn {
  id: string;
  candidate: Candidate;
  before: readonly Promise<Result>[];
}

async function settleOne(bench: Bench, batch: Batch, turn: Turn, signal: AbortSignal): Promise<Result> {
  const { gate, failures, policy, slots, observer } = bench;
  const { id, candidate, before } = turn;
  const isHeldBack = (await Promise.all(before)).some(
    (result) => result.kind === 'postponed' || (result.kind === 'failed' && (failures.get(result.id) ?? 0) < PATIENCE),
  );
  if (isHeldBack && batch.isLast !== true) return { id, kind: 'postponed' };
  const noteDoubt = () => {
    if (bench.unanswered.delete(id)) doubt(bench.ledger, id, candidate.path);
  };
  try {
    const publish = (own: AbortSignal) => batch.publish(id, candidate, own).finally(noteDoubt);
    const bytes = batch.heldBytes?.(id) ?? candidate.state.size;
    const places = memoryOf(bytes, candidate.entry.compression);
    const outcome = await slots.hold(signal, () => gate.pass(signal, publish), places);
    record(bench, id, candidate, outcome);
    return { id, ...outcome };
  } catch (error) {
    signal.throwIfAborted();
    failures.set(id, (failures.get(id) ?? 0) + 1);
    observer.failed(id, error);
    const reason = `${candidate.entry.name}: "${candidate.relativePath}" could not be uploaded: ${messageOf(error)}`;
    policy.log.warn({ reason }, 'upload failed; it is tried again with the next look at the directory');
    return { id, kind: 'failed', reason, cause: error };
  } finally {
    letGo(bench, batch, id);
  }
}

/** What the batch has let go of before may be another's by now. */
function letGo({ underWay, observer }: Bench, batch: Batch, id: string): void {
  if (underWay.get(id) !== batch) return;
  underWay.delete(id);
  observer.left(id);
}

function record(bench: Bench, id: string, { path, entry }: Candidate, outcome: Outcome): void {
  const { ledger, failures, policy, observer } = bench;
  observer.settled(id, outcome);
  switch (outcome.kind) {
    case 'published': {
      const { state, bytes, etag } = outcome;
      const before = ledger.get(id);
      // Another entry's, as those of `during` are for the ones of `after`.
      if (before?.sent !== undefined && before.path !== path && before.state.ino !== state.ino) {
        observer.collided({ id, kept: path, lost: before.path });
      }
      ledger.set(id, { path, state, sent: { size: bytes, etag }, ...(entry.compression ? {} : { etag }) });
      failures.delete(id);
      policy.log.debug({ object: id, bytes }, 'published');
      return;
    }
    case 'unchanged':
      ledger.set(id, { ...ledger.get(id), path, state: outcome.state });
      return;
    case 'changed':
    case 'gone':
  }
}

function arrivedAmong(results: readonly Result[]): ReadonlySet<string> {
  return new Set(results.filter(({ kind }) => kind === 'published' || kind === 'unchanged').map(({ id }) => id));
}
