import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { InvalidInputError } from '../../core/errors.ts';
import { messageOf } from '../../lib/errors.ts';
import { placeOfCrowd, placeOfProto } from '../../lib/proto.ts';
import type { RestEnv } from './parts.ts';

export class PayloadTooLargeError extends Error {
  override name = 'PayloadTooLargeError';
  constructor(most: number) {
    super(
      `Expected a body of at most ${most} bytes (KELPIE_MAX_BODY_BYTES): send fewer jobs at once, and large data by sync`,
    );
  }
}

/** Reads the body before its handler does: see `readJson`. */
export const jsonBody = createMiddleware<RestEnv>(async (context, next) => {
  await readJson(context);
  await next();
});

/**
 * Reads the body within its bound, and calls it JSON whatever it calls itself: some workers send no Content-Type, others the
 * one of a form.
 * @throws PayloadTooLargeError
 * @throws InvalidInputError when the body is not JSON in UTF-8, or has a member called `__proto__`, or very many of them
 */
export async function readJson(context: Context<RestEnv>): Promise<unknown> {
  const { url, method, headers, body, signal } = context.req.raw;
  const text = decode(await readBounded(body, headers.get('content-length'), context.get('maxBodyBytes')));
  const value = parsed(text);
  refuseProto(text, value);
  refuseCrowds(text, value);
  const jsonHeaders = new Headers(headers);
  jsonHeaders.set('content-type', 'application/json');
  context.req.raw = new Request(url, { method, headers: jsonHeaders, body: text, signal });
  return value;
}

async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  announced: string | null,
  most: number,
): Promise<Uint8Array> {
  if (Number(announced ?? 0) > most) throw new PayloadTooLargeError(most);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > most) throw new PayloadTooLargeError(most);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw fault('Expected a JSON body in UTF-8, got bytes that are not UTF-8');
  }
}

/** How the name may stand in a text: plainly, or with some of its characters escaped. */
const MAY_NAME_PROTO = /__proto__|\\u00/;

/** What reads objects of any names, as the environment, would leave this one out without a word. */
function refuseProto(text: string, value: unknown): void {
  const path = MAY_NAME_PROTO.test(text) ? placeOfProto(value) : undefined;
  if (path !== undefined) {
    throw new InvalidInputError([{ path, message: 'This name cannot be used: choose another one' }]);
  }
}

/** Above what any field may hold, and below what validators can report the faults of. */
const MOST_MEMBERS = 10_000;
/** No smaller text has so many. */
const CROWDED_BYTES = 2 * MOST_MEMBERS;

function refuseCrowds(text: string, value: unknown): void {
  const path = text.length < CROWDED_BYTES ? undefined : placeOfCrowd(value, MOST_MEMBERS);
  if (path !== undefined) {
    throw new InvalidInputError([{ path, message: `Expected at most ${MOST_MEMBERS} entries` }]);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw jsonFault(text, messageOf(error));
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
