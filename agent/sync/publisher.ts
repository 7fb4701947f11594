import { pause } from '../../lib/pause.ts';
import type { Disks } from './disks.ts';
import type { Witness } from './growth.ts';
import { createHeldFiles } from './held.ts';
import type { Ledger, LedgerRecord } from './ledger.ts';
import type { PlannedUpload } from './plan.ts';
import type { UploadObserver } from './observation.ts';
import type { RetryPolicy } from './retry.ts';
import type { ObjectStore } from './s3.ts';
import { looksSame, type Observed } from './scan.ts';
import {
  isCut,
  isUsefulAtAnyLength,
  judge,
  type Look,
  look,
  type Published,
  settlesMs,
  type SettleTimes,
  type Track,
  type Verdict,
} from './settle.ts';
import type { Candidate } from './survey.ts';
import {
  confirm,
  hasOnlyGrown,
  type Outcome,
  type Publication,
  publishPrefix,
  publishWhole,
  takeWitness,
} from './transfer.ts';

export interface PublisherParts {
  store: ObjectStore;
  policy: RetryPolicy;
  times: SettleTimes;
  ledger: Ledger;
  observer: UploadObserver;
  disks: Pick<Disks, 'answered'>;
}

/** Knows of each dirty file whether it holds still, grows or is written over, and publishes it accordingly. */
export interface Publisher {
  /** Takes in what a look saw of all dirty files. Returns those that must wait, and for how many milliseconds. */
  lookAt: (dirty: readonly PlannedUpload[], look: Look) => Map<string, number>;
  /**
   * Milliseconds after which a growing file of these, just published, may be published again; Infinity where there is none. What is written
   * without a break is one burst: no quiet moment asks for that look.
   */
  againIn: (ids: ReadonlySet<string>) => number;
  /** Publishes a file of the last look that need not wait. */
  publishSettled: Publish;
  /** Bytes of the state that publishSettled would publish in place of the one that was seen, if it would. */
  heldBytes: (id: string) => number | undefined;
  /**
   * Publishes a file although it may still change: as one consistent state of it, from after this call. Rejects when it
   * does not hold still for long enough to be read, in a bounded number of tries. Nothing is said of how long that state lasted: who wrote
   * the file is over, and has left it as it is meant to be. Of what outlives the command and goes on writing, half of a file may be published.
   */
  publishNow: Publish;
  /** Closes what is held open between looks. Nothing may be on its way. */
  letGo: () => Promise<void>;
}

export type Publish = (id: string, candidate: Candidate, signal: AbortSignal) => Promise<Outcome>;

/** What fails in a pass comes again with the next one, and must not keep its place from the others for minutes. */
const RETRIES_OF_A_PASS = 3;

export function createPublisher(parts: PublisherParts): Publisher {
  const { policy, times, ledger } = parts;
  const fleeting = { ...policy, maxRetries: Math.min(policy.maxRetries, RETRIES_OF_A_PASS) };
  const memory = createMemory(parts);
  const { witnesses } = memory;
  const held = createHeldFiles();

  const publishGrown = async (id: string, publication: Publication, witness: Witness): Promise<Outcome> => {
    const began = memory.now();
    const outcome = memory.keep(id, await publishPrefix(publication, witness), began);
    return outcome.kind === 'changed' ? memory.mustSettle(id) : outcome;
  };
  return {
    lookAt(dirty, seenBy) {
      const waits = memory.lookAt(dirty, seenBy);
      // A new file may get the number of the one before, which looks as if that had been written over: the next look may know better.
      held.giveTurns(memory.replaced(), (id) => ['replaced', 'wait'].includes(memory.verdictOf(id)));
      return waits;
    },
    againIn: (ids) => memory.againIn(ids),
    publishSettled: async (id, candidate, signal) => {
      const publication = publicationOf({ ...parts, policy: fleeting }, id, candidate, signal);
      const verdict = memory.verdictOf(id);
      // It waited for its turn, and was seen to change meanwhile.
      if (verdict === 'wait') return { kind: 'changed' };
      if (verdict === 'replaced') {
        return memory.keep(id, await held.publish(id, publication, memory.hasRested));
      }
      if (verdict === 'whole') {
        const how = { witness: witnesses.get(id), planned: candidate.state };
        const untouched = await confirmed(ledger.get(id), candidate, publication);
        return memory.keep(id, untouched ?? (await publishWhole(publication, how)));
      }
      const witness = witnesses.get(id);
      if (witness !== undefined) return publishGrown(id, publication, witness);
      if (!(await isBelievedToGrow(ledger.get(id), candidate, publication))) return memory.mustSettle(id);
      const seen = await takeWitness(publication);
      if (seen === undefined) return { kind: 'gone' };
      witnesses.set(id, seen);
      return { kind: 'changed' };
    },
    heldBytes: (id) => held.sizeOf(id),
    publishNow: async (id, candidate, signal) => {
      const publication = publicationOf(parts, id, candidate, signal);
      const untouched = await confirmed(ledger.get(id), candidate, publication);
      if (untouched !== undefined) return memory.keep(id, untouched);
      return memory.keep(id, await insist(publication, witnesses.get(id), times.stabilityCheckMs));
    },
    letGo: () => held.letGo(),
  };
}

function publicationOf(
  { store, policy, observer, disks }: Pick<PublisherParts, 'store' | 'policy' | 'observer' | 'disks'>,
  id: string,
  candidate: Candidate,
  signal: AbortSignal,
): Publication {
  const { address, relativePath, entry } = candidate;
  return {
    ...{ store, name: relativePath, address, compression: entry.compression, signal },
    get source() {
      return candidate.source;
    },
    answered: (question) => disks.answered(entry.root, candidate.source, question),
    policy: { ...policy, onRetry: (error) => observer.failed(id, error) },
    onMoved: (bytes) => observer.moved(id, bytes),
    onArrived: () => observer.worked(id),
  };
}

/** What was seen of the dirty files, and when they were published. */
function createMemory({ times, ledger }: PublisherParts) {
  const now = () => performance.now();
  let last: Look = { began: -Infinity, ended: -Infinity };
  let tracks = new Map<string, Track>();
  let verdicts = new Map<string, Verdict>();
  const published = new Map<string, Published>();
  const witnesses = new Map<string, Witness>();

  return {
    witnesses,
    lookAt(dirty: readonly PlannedUpload[], seenBy: Look): Map<string, number> {
      last = seenBy;
      tracks = new Map(
        dirty.map(({ id, state, previous }) => [id, look(tracks.get(id), state, seenBy.ended, previous)]),
      );
      const verdictOf = (id: string, track: Track) =>
        judge(track, published.get(id), seenBy, times, isUsefulAtAnyLength(id.replace(/\.gz$/, '')));
      verdicts = new Map([...tracks].map(([id, track]) => [id, verdictOf(id, track)]));
      // A job that names each file anew must not make this grow for as long as it runs.
      for (const each of [published, witnesses]) forget(each, (id) => !tracks.has(id) && !ledger.has(id));
      return new Map([...verdicts].flatMap(([id, verdict]) => (verdict.kind === 'wait' ? [[id, verdict.millis]] : [])));
    },
    replaced: () => replacedAmong(tracks, verdicts),
    verdictOf: (id: string): Verdict['kind'] => verdicts.get(id)?.kind ?? 'whole',
    /** Whether a file that has not changed since then had not for long enough when the last look began. */
    hasRested: (id: string, state: Observed, since: number): boolean =>
      last.began - since >= settlesMs(isCut(state, ledger.get(id)?.state), times),
    againIn(ids: ReadonlySet<string>): number {
      const growing = [...ids].filter((id) => witnesses.has(id));
      const dues = growing.map((id) => (published.get(id)?.at ?? Infinity) + times.maxWaitMs);
      return Math.max(0, Math.min(...dues) - now());
    },
    now,
    /**
     * `began`: when the publication of a growing file began: what came later is not in the bucket. The next one begins so
     * much earlier as this one took, within limits: so what is not in the bucket does not get older than the longest wait.
     */
    keep(id: string, outcome: Outcome, began?: number): Outcome {
      if (outcome.kind === 'unchanged') tracks.delete(id);
      if (outcome.kind !== 'published') return outcome;
      const { state, witness } = outcome;
      const [track, time] = [tracks.get(id), now()];
      const at = began === undefined ? time : began - Math.min(time - began, times.maxWaitMs / 2);
      published.set(id, { at, state });
      if (began === undefined || track === undefined) tracks.delete(id);
      else tracks.set(id, { ...track, state, since: at, changedAt: time });
      if (witness === undefined) witnesses.delete(id);
      else witnesses.set(id, witness);
      return outcome;
    },
    /** It did not only grow after all, so from now on it has to settle first. */
    mustSettle(id: string): Outcome {
      const track = tracks.get(id);
      if (track !== undefined) tracks.set(id, { ...track, onlyGrew: false });
      return { kind: 'changed' };
    },
  };
}

/** What is replaced all the time, with when it was first seen not to be published. */
function replacedAmong(
  tracks: ReadonlyMap<string, Track>,
  verdicts: ReadonlyMap<string, Verdict>,
): ReadonlyMap<string, number> {
  const replaced = [...tracks].filter(([id]) => verdicts.get(id)?.kind === 'replaced');
  return new Map(replaced.map(([id, { since }]) => [id, since]));
}

function forget(memory: Map<string, unknown>, isGone: (id: string) => boolean): void {
  for (const id of [...memory.keys()].filter(isGone)) memory.delete(id);
}

/** The bucket may have this content already, although the file was touched. */
async function confirmed(
  known: LedgerRecord | undefined,
  { state }: Candidate,
  publication: Publication,
): Promise<Outcome | undefined> {
  return known !== undefined && looksSame(known.state, state) ? confirm(publication, known) : undefined;
}

async function isBelievedToGrow(
  known: LedgerRecord | undefined,
  { state, relativePath }: Candidate,
  publication: Publication,
): Promise<boolean> {
  if (known?.state.ino !== state.ino) return true;
  return known.etag === undefined ? isUsefulAtAnyLength(relativePath) : hasOnlyGrown(publication, known);
}

const TRIES_NOW = 5;

/** Tries to read the file whole, and in case something still appends to it, as a prefix. */
async function insist(publication: Publication, basis: Witness | undefined, pauseMs: number): Promise<Outcome> {
  for (let tries = 0; tries < TRIES_NOW; tries++) {
    const outcome = await publishWhole(publication, { witness: basis });
    if (outcome.kind !== 'changed') return outcome;
    const witness = await takeWitness(publication);
    await pause(pauseMs, publication.signal);
    const grown = witness && (await publishPrefix(publication, witness));
    if (grown !== undefined && grown.kind !== 'changed') return grown;
  }
  throw new Error(`it changed each of the ${TRIES_NOW} times it was read; end what still writes it`);
}
