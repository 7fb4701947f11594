import { InvalidInputError } from '../core/errors.ts';
import { boundedJson, CrowdedJsonError } from '../lib/bounded-json.ts';
import { messageOf } from '../lib/errors.ts';

export class PayloadTooLargeError extends Error {
  override name = 'PayloadTooLargeError';
  constructor(most: number, advice = '(KELPIE_MAX_BODY_BYTES): send fewer jobs at once, and large data by sync') {
    super(`Expected a body of at most ${most} bytes ${advice}`);
  }
}

/** A body that is not read yet. */
export interface Body {
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** What its header Content-Length says, if there is one. */
  announced: string | null | undefined;
}

/** What a body may have. */
export interface Bounds {
  bytes: number;
  /** What is thrown for a larger one. */
  refusal: () => Error;
  /** Told of each chunk that has come, before it is kept; what this throws ends the reading. */
  came: (bytes: number) => void;
}

/**
 * Reads a body within its bounds: as text, and as what that stands for.
 * @throws what the bounds have for it
 * @throws InvalidInputError when it is not JSON in UTF-8, or such as `boundedJson` does not take
 */
export async function readJsonBody(body: Body, bounds: Bounds): Promise<{ text: string; value: unknown }> {
  const text = decode(await readBounded(body, bounds));
  return { text, value: parsed(text) };
}

async function readBounded({ chunks, announced }: Body, { bytes, refusal, came }: Bounds): Promise<Uint8Array> {
  if (Number(announced ?? 0) > bytes) throw refusal();
  const blocks: Uint8Array[] = [];
  let read: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.byteLength;
    if (size > bytes) throw refusal();
    came(chunk.byteLength);
    read.push(chunk);
    if (read.length < MOST_CHUNKS) continue;
    blocks.push(Buffer.concat(read));
    read = [];
  }
  return Buffer.concat([...blocks, ...read], size);
}

/** Bytes that come one by one take a hundred times their size until they are put together. */
const MOST_CHUNKS = 1_024;

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw fault('Expected a JSON body in UTF-8, got bytes that are not UTF-8');
  }
}

function parsed(text: string): unknown {
  try {
    return boundedJson(text);
  } catch (error) {
    throw error instanceof CrowdedJsonError ? fault(error.message) : jsonFault(text, messageOf(error));
  }
}

/** What is wrong with a text that is not JSON, and where. @param message the parser's */
function jsonFault(text: string, message: string): InvalidInputError {
  const expected = 'Expected a JSON body';
  if (!/\S/.test(text)) return fault(`${expected}, got an empty one`);
  if (/ at position \d+/.test(message)) return fault(`${expected}: ${message}`);
  const at = message.startsWith(UNEXPECTED) ? placeOfUnexpected(text) : placeOf(text, text.length);
  return fault(`${expected}: ${message} at ${at}`);
}

function fault(message: string): InvalidInputError {
  return new InvalidInputError([{ path: [], message }]);
}

const UNEXPECTED = 'Unexpected token';
/** Up to this size the search below takes milliseconds; beyond, the excerpt that the parser quotes must do. */
const LONGEST_SEARCH = 262_144;

/**
 * The parser gives the position of every fault but this one. A text cut before the fault is merely unfinished, one cut after
 * it has the same fault, so the place is found by halving.
 */
function placeOfUnexpected(text: string): string {
  if (text.length > LONGEST_SEARCH) return 'an unknown position';
  let sound = 0;
  let faulty = text.length;
  while (faulty - sound > 1) {
    const middle = (sound + faulty) >> 1;
    if (isUnexpected(text.slice(0, middle))) faulty = middle;
    else sound = middle;
  }
  return placeOf(text, sound);
}

function isUnexpected(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return messageOf(error).startsWith(UNEXPECTED);
  }
}

/** Counted in place: a text of many lines is not taken apart. */
function placeOf(text: string, position: number): string {
  let line = 1;
  let start = 0;
  for (let at = 0; at < position; at++) {
    if (text.charCodeAt(at) !== LINE_BREAK) continue;
    line += 1;
    start = at + 1;
  }
  return `position ${position} (line ${line} column ${position - start + 1})`;
}

const LINE_BREAK = '\n'.charCodeAt(0);
