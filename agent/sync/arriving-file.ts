import { createHash, type Hash } from 'node:crypto';
import { closeSync, futimesSync, lstatSync, openSync, renameSync, writeSync } from 'node:fs';
import type { IncomingBody } from './arrival.ts';
import type { AskDisk } from './disk-question.ts';
import { digestIn } from './etag.ts';
import { createExpander, type Expander } from './expander.ts';
import { FileFault } from './file-fault.ts';
import type { LineAnswer, LineRequest, Lines } from './lines.ts';
import type { Meter } from './meter.ts';
import { type Observed, observedOf } from './scan.ts';
import type { Peer } from './sockets.ts';
import { refusalOf } from './store-error.ts';

/** One GET, and where in the file its answer belongs. Sizes are bytes. */
export interface Take {
  peer: Peer;
  request: LineRequest;
  start: number;
  /** Of an answer that says something else nothing is taken. */
  expects: Expected;
}

/** `totalSize` only of the first answer: with that, in place of a range the whole object will do as well. */
export type Expected = { size: number } & ({ totalSize: number } | { etag: string });

/** What an answer said, and what came of it. */
export interface Taken {
  /** Of this body. */
  size: number;
  totalSize: number;
  etag: string;
  lastModified?: Date;
  /** Whether it was what was expected; otherwise nothing of it was taken. */
  isExpected: boolean;
  /** Whether the object is gzip, and is expanded on the way. */
  expands: boolean;
  /** Bytes of the body that have come. */
  received: number;
  /** MD5 of all that has come, where the ETag is one, and it came in order from the object's first byte. */
  digest?: string;
  /** Why the rest of the body did not come. */
  failure?: Error;
}

/**
 * A file that is written as it comes, in the thread that receives it: what is read into this processor's cache goes from there to the
 * system's, without a turn of another thread.
 */
export class ArrivingFile {
  readonly #path: string;
  readonly #mayExpand: boolean;
  readonly #ask: AskDisk;
  #descriptor: number | undefined;
  #expander: Expander | undefined;
  #hash: { sum: Hash; length: number } | undefined;

  /** @param ask how each question of the disk is asked, which may hang in it */
  constructor(path: string, mayExpand: boolean, ask: AskDisk) {
    this.#path = path;
    this.#mayExpand = mayExpand;
    this.#ask = ask;
  }

  /**
   * Rejects when the store refuses (StoreError) or does not answer, and with FileFault when the file cannot be written; what breaks off in the
   * middle is told. What is expanded has to be taken in order.
   */
  async take(
    lines: Lines,
    { peer, request, start, expects }: Take,
    signal: AbortSignal,
    onMoved: Meter,
  ): Promise<Taken> {
    const descriptor = this.#open();
    const answer = await lines.get(peer, request, signal, () => undefined);
    if (answer.status < 200 || answer.status > 299) throw await refusedIn(answer);
    const said = describedOrDestroyed(answer);
    if (!fits(said, expects)) {
      answer.body.destroy();
      return { ...said, isExpected: false, expands: false, received: 0 };
    }
    if (!('etag' in expects)) this.#begin(descriptor, answer, said);
    const hash = this.#hash?.length === start ? this.#hash : undefined;
    let received = 0;
    const note = (bytes: Buffer) => {
      hash?.sum.update(bytes);
      if (hash !== undefined) hash.length += bytes.length;
      received += bytes.length;
      onMoved(bytes.length);
    };
    const failure = await (this.#expander === undefined
      ? pour((bytes, position) => this.#write(descriptor, bytes, position), start, answer.body, note)
      : expand(this.#expander, answer.body, note));
    const digest = hash?.sum.copy().digest('hex');
    const expands = this.#expander !== undefined;
    return {
      ...{ ...said, isExpected: true, expands, received },
      ...(digest === undefined ? {} : { digest }),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  /** Gives the file its name. Throws FileFault. */
  async keep(to: string, modified: Date | undefined): Promise<Observed> {
    try {
      await this.#expander?.end();
      const descriptor = this.#open();
      // A command that looks for its latest checkpoint by time finds it, whatever the order of the downloads was.
      if (modified !== undefined) this.#ask(() => futimesSync(descriptor, modified, modified));
      this.close();
      this.#ask(() => renameSync(this.#path, to));
      return observedOf(this.#ask(() => lstatSync(to, { bigint: true })));
    } catch (error) {
      throw new FileFault(error);
    }
  }

  /** Leaves what is there. */
  close(): void {
    this.#expander?.destroy();
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) this.#ask(() => closeSync(descriptor));
  }

  /** Before the store is asked: a disk that cannot be written to needs no data. */
  #open(): number {
    try {
      return (this.#descriptor ??= this.#ask(() => openSync(this.#path, 'wx')));
    } catch (error) {
      throw new FileFault(error);
    }
  }

  #begin(descriptor: number, { headers }: LineAnswer, { size, totalSize, etag }: Described): void {
    if (this.#mayExpand && headers['content-encoding'] === 'gzip') {
      let position = 0;
      this.#expander ??= createExpander((bytes) => (position += this.#write(descriptor, bytes, position)));
    }
    // What comes in ranges comes in any order.
    const isInOrder = this.#expander !== undefined || size === totalSize;
    if (isInOrder && digestIn(etag) !== undefined) this.#hash ??= { sum: createHash('md5'), length: 0 };
  }

  /** All of it; returns how many bytes those are. */
  #write(descriptor: number, bytes: Buffer, position: number): number {
    for (let written = 0; written < bytes.length;) {
      const [from, at] = [written, position + written];
      written += this.#ask(() => writeSync(descriptor, bytes, from, bytes.length - from, at));
    }
    return bytes.length;
  }
}

type Described = Pick<Taken, 'size' | 'totalSize' | 'etag' | 'lastModified'>;

function refusedIn({ status, statusMessage, headers, body }: LineAnswer) {
  return refusalOf({ status, statusMessage, date: headers.date, chunks: body.pieces(() => undefined) });
}

function describedOrDestroyed(answer: LineAnswer): Described {
  try {
    return described(answer);
  } catch (error) {
    answer.body.destroy();
    throw error;
  }
}

function described({ headers, size }: LineAnswer): Described {
  const { etag } = headers;
  if (size === undefined || etag === undefined) {
    const missing = size === undefined ? 'Content-Length' : 'ETag';
    const advice = 'check that AWS_ENDPOINT_URL is the address of the store, and that no proxy answers for it';
    throw new Error(`the answer to a GET succeeded without ${missing}, so it is no store's: ${advice}`);
  }
  const total = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  const modified = new Date(headers['last-modified'] ?? Number.NaN);
  return {
    ...{ size, etag, totalSize: total === undefined ? size : Number(total) },
    ...(Number.isNaN(modified.getTime()) ? {} : { lastModified: modified }),
  };
}

function fits({ size, totalSize, etag }: Described, expects: Expected): boolean {
  if ('etag' in expects) return etag === expects.etag && size === expects.size;
  return totalSize === expects.totalSize && (size === expects.size || size === totalSize);
}

/** Resolves to why not all has come. */
async function pour(
  writeAt: (bytes: Buffer, position: number) => number,
  start: number,
  body: IncomingBody,
  note: (bytes: Buffer) => void,
): Promise<Error | undefined> {
  let position = start;
  let fault: FileFault | undefined;
  const write = (bytes: Buffer) => {
    try {
      position += writeAt(bytes, position);
    } catch (error) {
      fault = new FileFault(error);
      throw fault;
    }
    note(bytes);
  };
  return body.pour(write).then(
    () => undefined,
    (failure: unknown) => {
      if (fault !== undefined) throw fault;
      return errorOf(failure);
    },
  );
}

async function expand(
  expander: Expander,
  body: IncomingBody,
  note: (bytes: Buffer) => void,
): Promise<Error | undefined> {
  const faults: FileFault[] = [];
  try {
    for await (const bytes of body.pieces(() => undefined)) {
      await expander.take(bytes).catch((error: unknown) => {
        faults.push(new FileFault(error));
        throw error;
      });
      note(bytes);
    }
    return undefined;
  } catch (failure) {
    if (faults[0] !== undefined) throw faults[0];
    return errorOf(failure);
  }
}

function errorOf(failure: unknown): Error {
  return failure instanceof Error ? failure : new Error(String(failure));
}
