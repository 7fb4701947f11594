import type { Socket } from 'node:net';
import { messageOf } from '../../lib/errors.ts';
import { type AnswerHead, MalformedAnswer, readHead } from './answer-head.ts';
import { Arrival, type IncomingBody } from './arrival.ts';
import type { OpenSocket, Peer } from './sockets.ts';

/** A GET as it goes over the wire. */
export interface LineRequest {
  path: string;
  headers: Readonly<Record<string, string>>;
}

export interface LineAnswer extends AnswerHead {
  body: IncomingBody;
}

export interface LineParts {
  open: OpenSocket;
  /** Milliseconds without a byte after which a request counts as failed. */
  stallMs: number;
  connectMs: number;
}

/**
 * Connections for what is downloaded. Node's own client copies every 64 KiB of a body once more and hands them on through several
 * streams, which takes three times as much computing as the kernel needs for all of it. Here the kernel puts the bytes
 * where they are written to disk from. Only plain answers to a GET are understood, with a head that says the length; what
 * else comes ends the connection.
 */
export interface Lines {
  /**
   * Resolves to the answer once its head is here, whatever it says. Its body has to be read to the end or destroyed. `onOver` is called
   * once, with the bytes of its body: when the last one is here, or, with 0, when it will not come.
   */
  get(peer: Peer, request: LineRequest, signal: AbortSignal, onOver: (bytes: number) => void): Promise<LineAnswer>;
  /** Ends what nobody uses. */
  close(): void;
}

/** Stores close what is idle for some 20 s and more; who closes first never meets a connection that is being closed. */
const IDLE_MS = 10_000;

export function createLines(parts: LineParts): Lines {
  const idle = new Map<string, Set<Line>>();

  function lineTo(peer: Peer): Line {
    const name = `${peer.isSecure} ${peer.hostname} ${peer.port}`;
    const others = idle.get(name) ?? new Set<Line>();
    idle.set(name, others);
    // The one that was used last: the others can grow old.
    const known = [...others].findLast((line) => line.isOpen);
    if (known === undefined) {
      return new Line(peer, parts, { onIdle: (line) => others.add(line), onEnd: (line) => others.delete(line) });
    }
    others.delete(known);
    return known;
  }
  return {
    get: (peer, request, signal, onOver) => lineTo(peer).get(request, signal, onOver),
    close() {
      for (const line of [...idle.values()].flatMap((lines) => [...lines])) line.end();
    },
  };
}

interface LineEvents {
  onIdle: (line: Line) => void;
  onEnd: (line: Line) => void;
}

/** One request on its way. */
interface Exchange {
  answered: PromiseWithResolvers<LineAnswer>;
  /** Of the head. */
  gathered: Buffer;
  arrival: Arrival | undefined;
  /** Bytes of the body. */
  size: number;
  keepsAlive: boolean;
  over: (bytes: number) => void;
}

const NOTHING = Buffer.alloc(0);

/** What comes before anybody can say where it belongs. It is looked at before anything else comes, so one is enough for all. */
const landing = Buffer.allocUnsafeSlow(2 ** 16);

/** One connection, and at most one request on it. */
class Line {
  readonly #parts: LineParts;
  readonly #events: LineEvents;
  readonly #socket: Socket;
  /** Where the next bytes go. */
  #place: Buffer = landing;
  #exchange: Exchange | undefined;
  #isConnected = false;
  #failure: Error | undefined;

  constructor(peer: Peer, parts: LineParts, events: LineEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#socket = parts.open(peer, {
      buffer: () => (this.#place = this.#exchange?.arrival?.room() ?? landing),
      callback: (bytes) => this.#arrived(this.#place.subarray(0, bytes), this.#place !== landing),
    });
    this.#socket
      .on('data', (bytes: Buffer) => {
        if (!this.#arrived(bytes, false)) this.#socket.pause();
      })
      .once(peer.isSecure ? 'secureConnect' : 'connect', () => this.#connected())
      .on('timeout', () => this.#silent())
      .on('error', (error) => (this.#failure ??= error))
      .on('close', () => this.#closed());
  }

  get isOpen(): boolean {
    return this.#failure === undefined && !this.#socket.destroyed;
  }

  get({ path, headers }: LineRequest, signal: AbortSignal, onOver: (bytes: number) => void): Promise<LineAnswer> {
    const socket = this.#socket;
    const answered = Promise.withResolvers<LineAnswer>();
    const giveUp = () => this.#breakOff(signal.reason);
    signal.addEventListener('abort', giveUp);
    const over = (bytes: number) => {
      signal.removeEventListener('abort', giveUp);
      onOver(bytes);
    };
    this.#exchange = { answered, gathered: NOTHING, arrival: undefined, size: 0, keepsAlive: false, over };
    socket.ref();
    socket.setTimeout(socket.connecting ? this.#parts.connectMs : this.#parts.stallMs);
    const lines = Object.entries({ ...headers, connection: 'keep-alive' });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`GET ${path} HTTP/1.1\r\n${head}\r\n`, 'latin1');
    return answered.promise;
  }

  end(): void {
    this.#breakOff(new Error('it was not needed any more'));
  }

  #connected(): void {
    this.#isConnected = true;
    this.#socket.setTimeout(this.#parts.stallMs);
  }

  /**
   * A disk may have held this thread up, and then the time is over before what has come meanwhile is read: so it is looked at once more
   * after that. What has come has set the time anew.
   */
  #silent(): void {
    const exchange = this.#exchange;
    const silence = timeout('not a byte within the time that is allowed');
    if (exchange === undefined) {
      this.#breakOff(silence);
      return;
    }
    const { bytesRead } = this.#socket;
    const wasConnected = this.#isConnected;
    setImmediate(() => {
      const hasMoved = this.#socket.bytesRead > bytesRead || this.#isConnected !== wasConnected;
      if (this.#exchange === exchange && !hasMoved) this.#breakOff(silence);
    });
  }

  /** Returns whether there is room for more. */
  #arrived(bytes: Buffer, isInPlace: boolean): boolean {
    const exchange = this.#exchange;
    if (this.#failure !== undefined) return false;
    try {
      if (exchange === undefined) throw new MalformedAnswer('the store sent something that nobody asked for');
      if (exchange.arrival === undefined) this.#readHead(exchange, bytes);
      else if (isInPlace) exchange.arrival.filled(bytes);
      else take(exchange.arrival, bytes);
    } catch (error) {
      this.#breakOff(error);
      return false;
    }
    if (exchange.arrival === undefined) return true;
    if (exchange.arrival.left > 0) return exchange.arrival.room() !== undefined;
    this.#finish(exchange);
    return true;
  }

  #readHead(exchange: Exchange, bytes: Buffer): void {
    const all = exchange.gathered.length > 0 ? Buffer.concat([exchange.gathered, bytes]) : bytes;
    const read = readHead(all);
    if (read === undefined) {
      // A copy: where it landed, the next bytes land.
      exchange.gathered = Buffer.from(all);
      return;
    }
    const { head, bodyAt } = read;
    exchange.size = head.size ?? 0;
    exchange.keepsAlive = head.keepsAlive && head.size !== undefined;
    exchange.arrival = new Arrival({
      size: head.size ?? Number.MAX_SAFE_INTEGER,
      isEager: head.size === undefined,
      onRoom: () => this.#socket.resume(),
      onGivenUp: () => this.#breakOff(new Error('the rest of the answer was not wanted')),
    });
    exchange.answered.resolve({ ...head, body: exchange.arrival });
    take(exchange.arrival, all.subarray(bodyAt));
  }

  /** The answer is here to its last byte. */
  #finish({ size, keepsAlive, over }: Exchange): void {
    this.#exchange = undefined;
    over(size);
    if (!keepsAlive) {
      this.#breakOff(new Error('the store does not keep this connection'));
      return;
    }
    this.#socket.setTimeout(IDLE_MS);
    this.#socket.unref();
    this.#events.onIdle(this);
  }

  /**
   * A socket that is reset does not say why. And it must not be reset below the encryption while that hands something on: who reads it
   * may be the one who calls this.
   */
  #breakOff(reason: unknown): void {
    this.#failure ??= reason instanceof Error ? reason : new Error(messageOf(reason));
    setImmediate(() => this.#socket.destroy());
  }

  #closed(): void {
    this.#events.onEnd(this);
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange === undefined) return;
    const error = this.#failure ?? new Error('the store closed the connection before its answer was whole');
    exchange.answered.reject(error);
    exchange.arrival?.fail(error);
    exchange.over(0);
  }
}

function take(arrival: Arrival, bytes: Buffer): void {
  if (bytes.length > arrival.left) throw new MalformedAnswer('the body of the answer is longer than its head says');
  arrival.take(bytes);
}

function timeout(message: string): Error {
  return Object.assign(new Error(message), { name: 'TimeoutError' });
}
