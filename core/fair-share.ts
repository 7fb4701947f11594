import { AsyncLocalStorage } from 'node:async_hooks';
import type { Turn, Turns } from '../db/turns.ts';
import { createFairSlots } from '../lib/fair-slots.ts';
import { outside } from '../lib/outside.ts';
import { withPatience } from '../lib/patience.ts';
import { createSlots, type Slots } from '../lib/slots.ts';
import { RateLimitedError, type KelpieError } from './errors.ts';

/** Whoever asks for something that keeps nobody's machine at work. */
export interface Asker {
  accountId: string;
  keyId: string;
  /** Aborted when nobody waits for the answer any more; asked for only where somebody has to wait. */
  gone?: (() => AbortSignal | undefined) | undefined;
  /** How much its operation may read, and how much be told, each in characters, and what it is told instead of more; any amount. */
  reads?: { most: number; tooMuch: () => KelpieError } | undefined;
  /** Whether what it looks up of single jobs is looked up together with what others of its kind do. */
  isOfMany?: boolean;
  /**
   * Whether it waits for its turns however long that takes: what changes something, once it has begun, as half of it would be done and
   * the rest not told; what is told to who follows, from the start, as it may be the last that is told. Never by default.
   */
  isPatient?: 'ONCE_BEGUN' | 'ALWAYS';
}

interface Asking extends Asker {
  /** Of one operation, so many statements are asked at a time. */
  own: Slots;
  /** The operation's, however many marks it has one after the other: what it may still read, and be told, in characters. */
  course: { left: number; leftToTell: number; refusal?: KelpieError; hasBegun: boolean };
}

const asking = new AsyncLocalStorage<Asking | undefined>();

/** One operation has so many connections at most, however many fields it has. */
const OF_ONE_OPERATION = 3;
/** So many statements may wait with one key: more than a burst of requests that its rate allows, each with a few. */
const MOST_WAITING = 2_000;
const PATIENCE_MS = 10_000;

/**
 * Runs one operation of somebody: its statements have turns with those of others who ask, account by account and key by key, and never
 * take the connections that are kept for work.
 */
export function asAsker<Result>(asker: Asker, run: () => Result): Result {
  const left = asker.reads?.most ?? Infinity;
  const course = { left, leftToTell: left, hasBegun: false };
  return asking.run({ ...asker, course, own: createSlots(OF_ONE_OPERATION) }, run);
}

/**
 * Runs what somebody asks for and few may do at a time, in turns with others of its kind: whoever has one of few places must not wait behind
 * what else its account, or its operation, asks for. What bears no mark gets none.
 * @param kind whose turns they are, in place of the account's
 */
export function asOneOfFew<Result>(kind: string, run: () => Result): Result {
  const asker = asking.getStore();
  if (asker === undefined) return run();
  const own = createSlots(OF_ONE_OPERATION);
  return asking.run({ ...asker, accountId: kind, keyId: asker.accountId, own }, run);
}

/** Runs what all who ask at once share, on behalf of none of them: it has a turn of its own among theirs. */
export function asAllWhoAsk<Result>(run: () => Result): Result {
  return outside(() => asAsker({ accountId: 'all', keyId: 'all' }, run));
}

/** Runs what keeps somebody's machine at work (claims, heartbeats, reports, logs): it waits for nobody who asks for anything else. */
export function asWork<Result>(run: () => Result): Result {
  return asking.run(undefined, run);
}

/** Whether what runs now has turns. */
export function isAsking(): boolean {
  return asking.getStore() !== undefined;
}

/** Whether what runs now has turns and is one asker's alone. */
export function asksAlone(): boolean {
  const asker = asking.getStore();
  return asker !== undefined && asker.isOfMany !== true;
}

/**
 * Counts what whoever asks now is told, before it is. When all in all that is too much, its answer is `refusalToTell` and nothing else.
 * @param size in characters; looked at only where it counts
 */
export function countTold(size: () => number): void {
  const { reads, course } = asking.getStore() ?? {};
  if (reads === undefined || course === undefined) return;
  if (course.refusal !== undefined) return;
  course.leftToTell -= size();
  // Nothing is thrown: of the hundred thousand fields that are under way each would make an error of its own.
  if (course.leftToTell < 0) course.refusal = reads.tooMuch();
}

/** How much whoever asks now was told so far, in characters, where that counts. */
export function toldSoFar(): number {
  const { reads, course } = asking.getStore() ?? {};
  return reads === undefined || course === undefined ? 0 : reads.most - course.leftToTell;
}

/** Why whoever asks now is told nothing more; undefined where that may be. */
export function refusalToTell(): KelpieError | undefined {
  return asking.getStore()?.course.refusal;
}

/** How many of so many connections may be given at a time to those who ask. The others are kept for work, and for the server itself. */
export function shareOfAskers(connections: number): number {
  return connections - Math.max(1, Math.floor(connections * 0.4));
}

/**
 * The turns of those who ask, on a pool of so many connections. One account leaves one connection to the others, whatever its statements
 * wait for. What nobody asks for, or is work, needs no turn.
 * @param options.patienceMs how long one statement may wait for its turn (10,000)
 */
export function createTurns(
  connections: number,
  { patienceMs = PATIENCE_MS }: { patienceMs?: number | undefined } = {},
): Turns {
  const atOnce = shareOfAskers(connections);
  const slots = createFairSlots({
    atOnce,
    mostOfGroup: Math.max(1, atOnce - 1),
    mostWaiting: MOST_WAITING,
    crowded: () => refused(`Expected at most ${MOST_WAITING} questions of one key to wait for the database, got more`),
  });
  const tooLate = () => refused(`Others were before this one for ${patienceMs / 1_000} s`);
  return {
    async take() {
      const asker = asking.getStore();
      if (asker === undefined) return undefined;
      const { refusal } = asker.course;
      // Nothing of what it still would read is told. What it would still change, it changes.
      if (refusal !== undefined && asker.isPatient !== 'ONCE_BEGUN') throw new Refused(refusal);
      const isPatient = mustGoOn(asker);
      // Whoever may have to wait for long has a queue of its own: it neither fills the other one, nor stands behind it.
      const lane = { group: asker.accountId, name: isPatient ? `${asker.keyId} patient` : asker.keyId };
      const gone = asker.gone?.() ?? NEVER;
      const giveBackOwn = await asker.own.take(gone).catch((error: unknown) => {
        throw unlessGone(error, gone);
      });
      try {
        const giveBack =
          slots.takeFree(lane) ??
          (isPatient
            ? await slots.take(lane, gone, { isPatient })
            : await withPatience({ ms: patienceMs, tooLate, gone }, (signal) => slots.take(lane, signal)));
        asker.course.hasBegun = true;
        return turnOf(asker, () => {
          giveBack();
          giveBackOwn();
        });
      } catch (error) {
        giveBackOwn();
        throw unlessGone(error, gone);
      }
    },
  };
}

const NEVER = new AbortController().signal;

function mustGoOn({ isPatient, course }: Asking): boolean {
  return isPatient === 'ALWAYS' || (isPatient === 'ONCE_BEGUN' && course.hasBegun);
}

/** Signals give all kinds of reasons, some of them no errors. */
function unlessGone(error: unknown, gone: AbortSignal): unknown {
  if (!gone.aborted) return error;
  const message = 'Who asked has hung up';
  return new Error(message, { cause: new DOMException(message, 'AbortError') });
}

function turnOf(asker: Asking, giveBack: () => void): Turn {
  const { reads } = asker;
  if (reads === undefined) return { giveBack };
  return {
    giveBack,
    count(characters) {
      asker.course.left -= characters;
      if (asker.course.left < 0) throw new Refused(reads.tooMuch());
    },
  };
}

function refused(why: string): Refused {
  return new Refused(
    new RateLimitedError(`${why}: each account has its turns. Ask again in a moment, and for less at once.`, 1),
  );
}

/** Comes through the database's driver, which makes errors of its own kind of all others and hands on what they carry. */
class Refused extends Error {
  readonly failure: KelpieError;
  constructor(failure: KelpieError) {
    super(failure.message);
    this.failure = failure;
  }
}
