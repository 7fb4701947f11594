import { pause } from '../../lib/pause.ts';
import type { PlannedUpload } from './plan.ts';
import type { RetryPolicy } from './retry.ts';
import type { ObjectStore } from './s3.ts';
import { judge, look, type Published, type SettleTimes, type Track, type Verdict } from './settle.ts';
import type { Candidate } from './survey.ts';
import { type Outcome, type Publication, publishPrefix, publishWhole, takeWitness, type Witness } from './transfer.ts';

export interface PublisherParts {
  store: ObjectStore;
  policy: RetryPolicy;
  times: SettleTimes;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** Knows of each dirty file whether it holds still, grows or is written over, and publishes it accordingly. */
export interface Publisher {
  /** Takes in a new look at all dirty files. Returns those that must wait, and for how many milliseconds. */
  lookAt: (dirty: readonly PlannedUpload[]) => Map<string, number>;
  /** Publishes a file of the last look that need not wait. */
  publishSettled: Publish;
  /**
   * Publishes a file although it may still change: as one consistent state of it, from after this call. Rejects when it
   * does not hold still for long enough to be read, in a bounded number of tries.
   */
  publishNow: Publish;
}

export type Publish = (id: string, candidate: Candidate, signal: AbortSignal) => Promise<Outcome>;

export function createPublisher({ store, policy, times, now = () => performance.now() }: PublisherParts): Publisher {
  let tracks = new Map<string, Track>();
  let verdicts = new Map<string, Verdict>();
  const published = new Map<string, Published>();
  const witnesses = new Map<string, Witness>();

  const publicationOf = (candidate: Candidate, signal: AbortSignal): Publication => {
    const { source, address, relativePath, entry } = candidate;
    return { store, policy, source, name: relativePath, address, compression: entry.compression, signal };
  };
  const remember = (id: string, outcome: Outcome): Outcome => {
    if (outcome.kind !== 'published') return outcome;
    published.set(id, { at: now(), state: outcome.state });
    tracks.delete(id);
    if (outcome.witness === undefined) witnesses.delete(id);
    else witnesses.set(id, outcome.witness);
    return outcome;
  };
  const publishGrown = async (id: string, publication: Publication, witness: Witness): Promise<Outcome> => {
    const outcome = remember(id, await publishPrefix(publication, witness));
    const track = tracks.get(id);
    // It did not only grow after all, so from now on it has to settle first.
    if (outcome.kind === 'changed' && track !== undefined) tracks.set(id, { ...track, onlyGrew: false });
    return outcome;
  };

  return {
    lookAt: (dirty) => {
      const time = now();
      tracks = new Map(dirty.map(({ id, state, previous }) => [id, look(tracks.get(id), state, time, previous)]));
      verdicts = new Map([...tracks].map(([id, track]) => [id, judge(track, published.get(id), time, times)]));
      return new Map([...verdicts].flatMap(([id, verdict]) => (verdict.kind === 'wait' ? [[id, verdict.millis]] : [])));
    },
    publishSettled: async (id, candidate, signal) => {
      const publication = publicationOf(candidate, signal);
      if (verdicts.get(id)?.kind !== 'prefix') return remember(id, await publishWhole(publication));
      const witness = witnesses.get(id);
      if (witness !== undefined) return publishGrown(id, publication, witness);
      const seen = await takeWitness(candidate.source, signal);
      if (seen === undefined) return { kind: 'gone' };
      witnesses.set(id, seen);
      return { kind: 'changed' };
    },
    publishNow: async (id, candidate, signal) =>
      remember(id, await insist(publicationOf(candidate, signal), times.stabilityCheckMs)),
  };
}

const TRIES_NOW = 5;

/** Tries to read the file whole, and in case something still appends to it, as a prefix. */
async function insist(publication: Publication, pauseMs: number): Promise<Outcome> {
  for (let tries = 0; tries < TRIES_NOW; tries++) {
    const outcome = await publishWhole(publication);
    if (outcome.kind !== 'changed') return outcome;
    const witness = await takeWitness(publication.source, publication.signal);
    await pause(pauseMs, publication.signal);
    const grown = witness && (await publishPrefix(publication, witness));
    if (grown !== undefined && grown.kind !== 'changed') return grown;
  }
  throw new Error(`it changed each of the ${TRIES_NOW} times it was read; end what still writes it`);
}
