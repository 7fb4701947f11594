import type { Logger } from 'pino';
import { backoffMillis } from '../lib/backoff.ts';
import { messageOf } from '../lib/errors.ts';
import { type Latch, createLatch } from '../lib/latch.ts';
import { isAborted } from '../lib/pause.ts';
import { anyOf } from '../lib/signals.ts';
import type { AttemptPhase, HeartbeatInput, ProgressInput } from './generated/graphql.ts';
import type { HeartbeatAnswer } from './link.ts';
import type { News } from './news.ts';

const NEWS_AT_MOST_EVERY_MS = 1000;
const AFTER_FAILURE = { baseMs: 500, capMs: 5000 };
/** After so many failures what is said itself is suspected; the lease is worth more. */
const TRIES_WITH_SAME_WORDS = 2;
const ANSWER_WITHIN_MS = 10_000;

/** The right to act on one attempt, kept alive by heartbeats until it is given up. */
export interface Lease {
  /** Tells the server at once. */
  enter(phase: AttemptPhase): void;
  /** Tells the server at once, but at most once a second. */
  report(progress: ProgressInput): void;
  /** Something may be worth telling: as with progress, at most once a second. */
  hint(): void;
  /** Asks now whether the lease still holds. */
  renew(): void;
  /** Tells at once what was reported, or is to be warned of, and is not yet told. Resolves when that is answered, failed, or `hurry` is aborted. */
  tellLast(hurry: AbortSignal): Promise<void>;
  /** No heartbeat is sent, and nothing is told, after this. */
  stop(): void;
}

export interface LeaseParts {
  jobId: string;
  attempt: number;
  /** Milliseconds the lease lasts from the claim. */
  leaseMillis: number;
  /** When the claim was sent, on the monotonic clock. */
  claimedAt: number;
  /** Seconds between two heartbeats, as the job wants it; a third of the lease where that is less. */
  heartbeatInterval: number;
  /** Milliseconds that may pass between two heartbeats because of the connection; asked before each. */
  beatWithinMs: () => number;
  heartbeat: (input: HeartbeatInput, signal: AbortSignal) => Promise<HeartbeatAnswer>;
  /** Of the sync; what it has is told at most once a second. */
  news: News;
  /** A heartbeat that was sent at `sentAt`, on the monotonic clock, was acknowledged. */
  onRenewed: (sentAt: number, leaseMillis: number) => void;
  /** The server took the lease back, because of a cancel or otherwise. Called at most once. */
  onLost: (isCanceled: boolean) => void;
  /** The server wants the job given back; the lease goes on until then. Called with each heartbeat that says so. */
  onRecall: () => void;
  log: Logger;
}

/** What the next heartbeat has to say, and when it is due. Times are milliseconds of the monotonic clock. */
interface Beats {
  phase: AttemptPhase | undefined;
  progress: ProgressInput | undefined;
  /** A heartbeat with progress is on its way. */
  isTelling: boolean;
  isUrgent: boolean;
  isHinted: boolean;
  /** Says nothing but that the attempt lives: more was refused, or was not answered too often. */
  isBare: boolean;
  leaseMillis: number;
  lastSentAt: number;
  notBefore: number;
  failures: number;
}

/** Begins the heartbeats of a lease that was just claimed. */
export function keepLease(parts: LeaseParts): Lease {
  const stopped = new AbortController();
  const changed = createLatch();
  const beats: Beats = {
    phase: undefined,
    progress: undefined,
    isTelling: false,
    isUrgent: false,
    isHinted: false,
    isBare: false,
    leaseMillis: parts.leaseMillis,
    lastSentAt: parts.claimedAt,
    notBefore: 0,
    failures: 0,
  };
  const tried = createLatch();
  void beatUntilStopped(parts, beats, { changed, tried }, stopped);

  return {
    enter(phase) {
      beats.phase = phase;
      beats.isUrgent = true;
      changed.set();
    },
    report(progress) {
      beats.progress = progress;
      changed.set();
    },
    hint() {
      // Of one burst after the other the first wakes; what is due is looked at with the next heartbeat anyway.
      if (!beats.isHinted) changed.set();
      beats.isHinted = true;
    },
    renew() {
      beats.isUrgent = true;
      beats.notBefore = 0;
      changed.set();
    },
    async tellLast(hurry) {
      const over = anyOf(stopped.signal, hurry);
      const hasWords = () => beats.progress !== undefined || (!beats.isBare && parts.news.warns());
      while ((hasWords() || beats.isTelling) && beats.failures === 0 && !over.aborted) {
        beats.isUrgent ||= hasWords();
        changed.set();
        await tried.wait(ANSWER_WITHIN_MS, over);
      }
    },
    stop: () => stopped.abort(),
  };
}

async function beatUntilStopped(
  parts: LeaseParts,
  beats: Beats,
  { changed, tried }: { changed: Latch; tried: Latch },
  stopped: AbortController,
): Promise<void> {
  while (!stopped.signal.aborted) {
    const wait = dueAt(parts, beats) - performance.now();
    if (wait > 0) {
      // What time alone makes worth telling nobody announces.
      await changed.wait(Math.min(wait, NEWS_AT_MOST_EVERY_MS), stopped.signal);
      continue;
    }
    const answer = await beat(parts, beats, stopped.signal);
    tried.set();
    if (answer === undefined || isAborted(stopped.signal)) continue;
    if (answer.kind === 'LEASE_LOST') stopped.abort();
    heed(answer, parts, beats);
  }
}

function dueAt(parts: LeaseParts, beats: Beats): number {
  const interval = Math.min(parts.heartbeatInterval * 1000, beats.leaseMillis / 3, parts.beatWithinMs());
  const hasNews = beats.progress !== undefined || parts.news.isDue();
  const due = beats.lastSentAt + (hasNews ? Math.min(interval, NEWS_AT_MOST_EVERY_MS) : interval);
  return Math.max(beats.isUrgent ? 0 : due, beats.notBefore);
}

async function beat(parts: LeaseParts, beats: Beats, stopped: AbortSignal): Promise<HeartbeatAnswer | undefined> {
  const { phase, progress } = beats;
  beats.progress = undefined;
  beats.isTelling = progress !== undefined;
  beats.isUrgent = false;
  beats.isHinted = false;
  beats.lastSentAt = performance.now();
  const tidings = beats.isBare ? undefined : parts.news.take();
  const input: HeartbeatInput = {
    jobId: parts.jobId,
    attempt: parts.attempt,
    ...tidings,
    ...(phase === undefined ? {} : { phase }),
    ...(progress === undefined ? {} : { progress }),
  };
  try {
    const answer = await parts.heartbeat(input, anyOf(stopped, AbortSignal.timeout(ANSWER_WITHIN_MS)));
    beats.failures = 0;
    beats.isBare = answer.kind === 'REFUSED';
    if (answer.kind === 'RENEWED' && tidings !== undefined) parts.news.told(tidings);
    return answer;
  } catch (error) {
    if (stopped.aborted) return undefined;
    parts.log.warn({ reason: messageOf(error) }, 'A heartbeat was not answered, and is sent again');
    beats.isBare = beats.failures >= TRIES_WITH_SAME_WORDS;
    if (!beats.isBare) beats.progress ??= progress;
    beats.isUrgent = true;
    beats.notBefore = performance.now() + backoffMillis(beats.failures++, AFTER_FAILURE);
    return undefined;
  } finally {
    beats.isTelling = false;
  }
}

function heed(answer: HeartbeatAnswer, parts: LeaseParts, beats: Beats): void {
  switch (answer.kind) {
    case 'RENEWED':
      beats.leaseMillis = answer.leaseMillis;
      parts.onRenewed(beats.lastSentAt, answer.leaseMillis);
      if (answer.directive === 'STOP') parts.onRecall();
      return;
    case 'LEASE_LOST':
      parts.log.warn({ reason: answer.message }, 'The lease is lost');
      parts.onLost(answer.isCanceled);
      return;
    case 'REFUSED':
      // Most likely for what the command says of itself, or what is said of the sync; the next heartbeat goes without both.
      parts.log.warn({ reason: answer.message }, 'The server refused a heartbeat');
  }
}
