import type { Logger } from 'pino';
import { messageOf } from '../lib/errors.ts';
import { createLatch } from '../lib/latch.ts';
import { isAborted, pause, whenAborted } from '../lib/pause.ts';
import { repeatUntilAnswered } from '../lib/repeat.ts';
import { anyOf } from '../lib/signals.ts';
import type { Link } from './link.ts';
import { createLogBuffer, type OutputStream } from './log-buffer.ts';
import { createLineMaker, type Line } from './log-lines.ts';

/** Carries what a command writes to the server, beside its way to the container's own output, and never slows it. */
export interface LogShipper {
  push(stream: OutputStream, bytes: Buffer): void;
  /**
   * The command has ended: what is left goes without a pause. Resolves when it is stored, or when no more time is left for it; nothing
   * is sent after that. Time counts from the first call.
   */
  end(): Promise<void>;
}

export interface LogShipperParts {
  jobId: string;
  attempt: number;
  link: Pick<Link, 'appendLogs'>;
  /** When the attempt began, on the monotonic clock. */
  beganAt: number;
  /** How long a lease of this job lasts. */
  leaseMillis: number;
  /** The machine may soon be gone. */
  signaled: AbortSignal;
  /** The job is no longer this agent's: nothing more is sent. */
  cut: AbortSignal;
  /** Nothing is waited for any more. */
  hurrying: AbortSignal;
  log: Logger;
}

/** How much may wait for the server, besides the chunk that is on its way. */
const BUFFER_BYTES = 1024 * 1024;
/** As much is sent at once, and the sooner. */
const CHUNK_BYTES = 64 * 1024;
/** What a line costs besides its text. */
const LINE_BYTES = 64;
/**
 * In the end the report waits for each request, so they are as large as the server takes them: 4,096 lines, and 128 KiB of text, of which the last
 * line may take a fifth.
 */
const [LAST_CHUNK_BYTES, LAST_TEXT_BYTES] = [4_096 * LINE_BYTES, 96 * 1024];
/** A request a second, and four where chunks are full. What a command writes in one go comes together. */
const SHIP_EVERY_MS = 1000;
const SHIP_FULL_EVERY_MS = 250;
const GATHER_MS = 100;
/**
 * The last lines are tried for as long as a lease lasts: a server that is away for longer may have given the job away. Within limits,
 * as the report of the end waits for them, and a lease may last for days.
 */
const [LEAST_PATIENCE_MS, LONGEST_PATIENCE_MS] = [10_000, 60_000];
const AFTER_A_SIGNAL_MS = 2000;
const REPEAT = { baseMs: 250, capMs: 2000, tryMs: 10_000 };
/** The server's numbers of lines are 32 bits wide. At a line a millisecond they last for 24 days. */
const LAST_OFFSET = 2_147_000_000;

export function shipLogs(parts: LogShipperParts): LogShipper {
  const hold = createHold();
  const changed = createLatch();
  const stopped = new AbortController();
  const over = anyOf(parts.cut, stopped.signal);
  let isEnding = false;
  let lastSentAt = -Infinity;
  let ended: Promise<void> | undefined;
  const done = ship();

  async function ship(): Promise<void> {
    const send = createSender(parts, over);
    while (!isAborted(over)) {
      const wait = isEnding ? 0 : dueAt(hold, lastSentAt) - performance.now();
      if (wait > 0) {
        await changed.wait(wait, over);
        continue;
      }
      const lines = hold.take(isEnding);
      if (lines.length === 0 && isEnding) return;
      if (lines.length === 0) continue;
      lastSentAt = performance.now();
      if (!(await send(lines))) return;
    }
  }

  async function finish(): Promise<void> {
    isEnding = true;
    changed.set();
    const settled = new AbortController();
    const { signal } = settled;
    const patienceMs = Math.min(Math.max(LEAST_PATIENCE_MS, parts.leaseMillis), LONGEST_PATIENCE_MS);
    const givenUp = anyOf(over, parts.hurrying);
    const signaled = whenAborted(parts.signaled, signal).then(() => pause(AFTER_A_SIGNAL_MS, signal));
    await Promise.race([done, pause(patienceMs, signal), signaled, whenAborted(givenUp, signal)]);
    settled.abort();
    stopped.abort();
  }

  return {
    push(stream, bytes) {
      const { isEmpty, isFull } = hold;
      hold.push({ stream, bytes, afterMillis: Math.round(performance.now() - parts.beganAt) });
      if (isEmpty || (!isFull && hold.isFull)) changed.set();
    },
    end: () => (ended ??= finish()),
  };
}

/** When the next chunk is due, on the monotonic clock. */
function dueAt(hold: Hold, lastSentAt: number): number {
  if (hold.isEmpty) return Infinity;
  if (hold.isFull) return lastSentAt + SHIP_FULL_EVERY_MS;
  return Math.max(lastSentAt + SHIP_EVERY_MS, hold.since + GATHER_MS);
}

type Hold = ReturnType<typeof createHold>;

/** What was written and is not yet on its way: output as it came, and the lines of what was looked into already. */
function createHold() {
  const buffer = createLogBuffer(BUFFER_BYTES);
  const maker = createLineMaker();
  let lines: Line[] = [];
  let linesBytes = 0;
  let since = 0;

  function gather(more: Line[]): void {
    for (const line of more) {
      lines.push(line);
      linesBytes += costOf(line);
    }
  }

  return {
    push(output: Parameters<typeof buffer.push>[0]): void {
      if (this.isEmpty) since = performance.now();
      buffer.push(output);
    },
    /** The next chunk, of lines that are finished; where this is the end, of all. */
    take(isEnd: boolean): Line[] {
      const [mostBytes, mostText] = isEnd ? [LAST_CHUNK_BYTES, LAST_TEXT_BYTES] : [CHUNK_BYTES, CHUNK_BYTES];
      while (linesBytes < mostBytes) {
        const output = buffer.take();
        if (output === undefined) {
          gather(isEnd ? maker.end() : maker.shown());
          break;
        }
        gather(maker.add(output));
      }
      const count = countWithin(lines, mostBytes, mostText);
      const chunk = lines.slice(0, count);
      lines = lines.slice(count);
      linesBytes -= chunk.reduce((sum, line) => sum + costOf(line), 0);
      since = performance.now();
      return chunk;
    },
    /** Since when something waits. */
    get since() {
      return since;
    },
    get isEmpty() {
      return buffer.size === 0 && lines.length === 0;
    },
    get isFull() {
      return buffer.size + linesBytes >= CHUNK_BYTES;
    },
  };
}

/** How many of them make a chunk: up to the one by which either bound is reached. */
function countWithin(lines: readonly Line[], mostBytes: number, mostText: number): number {
  let [bytes, count] = [0, 0];
  for (const line of lines) {
    bytes += costOf(line);
    count += 1;
    if (bytes >= mostBytes || bytes - count * LINE_BYTES >= mostText) break;
  }
  return count;
}

function costOf({ text }: Line): number {
  return Buffer.byteLength(text) + LINE_BYTES;
}

/** Sends chunks in order, each until the server has it. @returns of each whether another one may follow */
function createSender({ jobId, attempt, link, log }: LogShipperParts, over: AbortSignal) {
  let offset = 0;
  return async (lines: Line[]): Promise<boolean> => {
    const input = { jobId, attempt, offset, lines };
    const append = async (signal: AbortSignal) => {
      const answer = await link.appendLogs(input, signal);
      // A lease that ran out may come back, and a heartbeat will say so; when it is lost for good, this is ended.
      if (answer.kind === 'LEASE_LOST') throw new Error(answer.message);
      if (answer.kind === 'TAKEN' && answer.nextOffset < offset + lines.length) throw new Error('not taken');
      return answer;
    };
    const answer = await repeatUntilAnswered(append, {
      ...REPEAT,
      signal: over,
      onFailure: (error, failures) =>
        log[failures === 1 ? 'warn' : 'debug'](
          { reason: messageOf(error) },
          'A part of the log was not taken, and waits',
        ),
    });
    if (answer?.kind === 'REFUSED') log.warn({ reason: answer.message }, 'The server refused a part of the log');
    offset += lines.length;
    if (offset > LAST_OFFSET) log.warn('The log of this attempt is as long as it may be: nothing more is sent');
    return offset <= LAST_OFFSET;
  };
}
