import { dirname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { messageOf } from '../../lib/errors.ts';
import { startWorker } from '../workers.ts';
import type { Take, Taken } from './arriving-file.ts';
import { questionCells, questionIn } from './disk-question.ts';
import { type Order, type Told, unpacked } from './landing-words.ts';
import type { OwnThreadData, ThreadData } from './landing.worker.ts';
import type { Meter } from './meter.ts';
import type { Observed } from './scan.ts';

/** A file that is downloaded by the thread for that. Ends with `keep` or `drop`. Sizes are bytes. */
export interface Landing {
  /**
   * Brings one answer into the file. Settles only when nothing of it is written any more; where the disk does not answer, some seconds after
   * the signal: then the thread is ended, and what it is writing just then may still be written, under the name that the file has now.
   * `onMoved` is told of bytes as they come. Rejects as ArrivingFile.take does, with ThreadGone, or with the reason of the signal.
   */
  take(take: Take, onMoved: Meter, signal: AbortSignal): Promise<Taken>;
  /**
   * Gives the file its name; resolves to its state there. Rejects with FileFault or ThreadGone: then it has to be dropped. Where the disk
   * does not answer, ThreadGone comes some seconds after the signal, and the file may still get its name.
   */
  keep(to: string, modified: Date | undefined, signal: AbortSignal): Promise<Observed>;
  /** Writes to it no more, and leaves what is there. Never rejects, and settles as `keep` does. */
  drop(signal: AbortSignal): Promise<void>;
}

/**
 * Downloads happen in a thread of their own: it receives and writes without a turn of the pool's threads for each piece, and what it
 * waits for holds up no heartbeat. It is started with the first file and ends when there was none for a while.
 */
export interface Landings {
  /** `path`: the file as it is written, made when the first of it is asked for; absolute. */
  begin(path: string, mayExpand: boolean): Landing;
  /** What the thread asks a disk just now, and waits for. */
  question(): OpenQuestion | undefined;
  /** What is under way is broken off. */
  close(): void;
}

/** A question to a disk that is not answered yet. */
export interface OpenQuestion {
  /** Whose disk it is; absolute. */
  directory: string;
  /** Another one for each question. */
  key: string;
}

/** With the thread its files are gone: only one that is begun anew, in another thread, can still come. */
export class ThreadGone extends Error {
  override name = 'ThreadGone';
}

export function createLandings(data: ThreadData): Landings {
  let thread: DownloadThread | undefined;
  return {
    begin(path, mayExpand) {
      if (thread?.isOpen !== true) thread = new DownloadThread(data);
      return thread.begin(path, mayExpand);
    },
    question: () => thread?.question(),
    close: () => thread?.end(),
  };
}

/** Between two entries, or two jobs, is less; a thread that is idle for longer only takes memory. */
const IDLE_MS = 10_000;
/** In which a take that is given up has to be over: a disk that hangs must not keep a job from being cancelled. */
const GIVE_UP_MS = 5_000;

type Answer = Exclude<Told, { kind: 'MOVED' }>;

interface Waiting {
  answered: PromiseWithResolvers<Answer>;
  onMoved: Meter;
}

class DownloadThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #cells = questionCells();
  #lastId = 0;
  /** The paths of files that are neither kept nor dropped. */
  readonly #files = new Map<number, string>();
  #ended: ThreadGone | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(data: ThreadData) {
    const workerData: OwnThreadData = { ...data, question: this.#cells };
    this.#worker = startWorker('sync/landing.worker.ts', { workerData, name: 'downloads' });
    this.#worker
      // Both ends are ours.
      .on('message', (told: Told) => this.#told(told))
      .on('error', (error: unknown) =>
        this.#end(new ThreadGone(`the thread that downloads has failed: ${messageOf(error)}`, { cause: error })),
      )
      .on('exit', () => this.#end(new ThreadGone('the thread that downloads has ended')));
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  begin(path: string, mayExpand: boolean): Landing {
    const file = ++this.#lastId;
    this.#retain(file, path);
    let isOver = false;
    const over = () => {
      if (!isOver) this.#release(file);
      isOver = true;
    };
    return {
      take: async (take, onMoved, signal) => {
        signal.throwIfAborted();
        return this.#take({ kind: 'TAKE', id: ++this.#lastId, file, path, mayExpand, take }, onMoved, signal);
      },
      keep: async (to, modified, signal) => {
        const answer = await this.#order({ kind: 'KEEP', id: ++this.#lastId, file, to, modified }, ignore, signal);
        if (answer.kind !== 'KEPT') throw unexpected(answer);
        over();
        return answer.state;
      },
      drop: async (signal) => {
        // Where the thread has ended, so have its files.
        await this.#order({ kind: 'DROP', id: ++this.#lastId, file }, ignore, signal).catch(ignore);
        over();
      },
    };
  }

  question(): OpenQuestion | undefined {
    const asked = questionIn(this.#cells);
    const path = asked === undefined ? undefined : this.#files.get(asked.file);
    if (asked === undefined || path === undefined) return undefined;
    return { directory: dirname(path), key: `${asked.file} ${asked.number}` };
  }

  end(): void {
    this.#end(new ThreadGone('downloads were ended'));
  }

  async #take(order: Order & { kind: 'TAKE' }, onMoved: Meter, signal: AbortSignal): Promise<Taken> {
    let told = 0;
    const count = (bytes: number) => {
      told += bytes;
      onMoved(bytes);
    };
    try {
      const answer = await this.#order(order, count, signal);
      signal.throwIfAborted();
      if (answer.kind !== 'TAKEN') throw unexpected(answer);
      const { taken, failure } = answer;
      onMoved(taken.received - told);
      return { ...taken, ...(failure === undefined ? {} : { failure: unpacked(failure) }) };
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  /** Waits for the answer, but some seconds after the signal no longer. */
  async #order(order: Order, onMoved: Meter, signal: AbortSignal): Promise<Answer> {
    let limit: NodeJS.Timeout | undefined;
    const giveUp = () => {
      if (order.kind === 'TAKE') this.#worker.postMessage({ kind: 'GIVE_UP', id: order.id } satisfies Order);
      // Once what has arrived is read: the answer may be there.
      limit = setTimeout(() => setImmediate(() => this.#abandon(order.id)), GIVE_UP_MS);
    };
    try {
      const answer = this.#ask(order, onMoved);
      if (signal.aborted) giveUp();
      else signal.addEventListener('abort', giveUp, { once: true });
      return await answer;
    } finally {
      signal.removeEventListener('abort', giveUp);
      clearTimeout(limit);
    }
  }

  async #ask(order: Order, onMoved: Meter): Promise<Answer> {
    if (this.#ended !== undefined) throw this.#ended;
    const answered = Promise.withResolvers<Answer>();
    this.#waiting.set(order.id, { answered, onMoved });
    this.#worker.postMessage(order);
    const answer = await answered.promise;
    if (answer.kind === 'FAILED') throw unpacked(answer.error);
    return answer;
  }

  #told(told: Told): void {
    const waiting = this.#waiting.get(told.id);
    if (told.kind === 'MOVED') {
      waiting?.onMoved(told.bytes);
      return;
    }
    this.#waiting.delete(told.id);
    waiting?.answered.resolve(told);
  }

  #end(reason: ThreadGone): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    clearTimeout(this.#idle);
    // Not before nothing is written any more.
    void this.#worker.terminate().finally(() => this.#rejectAll(reason));
  }

  /** Nobody waits any longer: a thread within a write ends only after it. */
  #abandon(order: number): void {
    if (!this.#waiting.has(order)) return;
    const reason = new ThreadGone(`the disk did not answer for ${GIVE_UP_MS} ms after downloads were given up`);
    this.#end(reason);
    this.#rejectAll(reason);
  }

  #rejectAll(reason: ThreadGone): void {
    for (const { answered } of this.#waiting.values()) answered.reject(reason);
    this.#waiting.clear();
  }

  /** A thread with nothing to do keeps no process alive. */
  #retain(file: number, path: string): void {
    this.#files.set(file, path);
    clearTimeout(this.#idle);
    this.#worker.ref();
  }

  #release(file: number): void {
    this.#files.delete(file);
    if (this.#files.size > 0) return;
    this.#worker.unref();
    if (this.isOpen) this.#idle = setTimeout(() => this.end(), IDLE_MS).unref();
  }
}

function ignore(): void {
  // Nothing to say.
}

function unexpected({ kind }: Answer): Error {
  return new Error(`the thread that downloads answered ${kind} to another question`);
}
