/** What stands where a secret stood. */
const BLANK = '[secret]';
/** A secret that is cut off at the end of a text is known by so many of its bytes. */
const TELLING = 4;

/**
 * A text without these secrets: as they are, in hexadecimal digits, in base64 (also somewhere within what was encoded, and by either
 * alphabet), and each of that with characters escaped as URLs, JSON, JavaScript and HTML do. It hides what somebody repeats who was told a
 * secret, not what one who wants to tell it disguises.
 * @param isCut whether the text goes on: then one that only begins at its end goes as well
 */
export function blanked(text: string, secrets: readonly string[], { isCut }: { isCut: boolean }): string {
  const forms = secrets.flatMap(formsOf);
  if (forms.length === 0) return text;
  const read = readingOf(text);
  const spans = forms.flatMap((form) => wholeIn(read, form));
  if (isCut) spans.push(...forms.flatMap((form) => begunAtEndOf(read, form)));
  let said = '';
  let at = 0;
  for (const [start, end] of spans.toSorted(([one], [other]) => one - other)) {
    if (start >= at) said += text.slice(at, start) + BLANK;
    at = Math.max(at, end);
  }
  return said + text.slice(at);
}

/** Where a secret stands in a text: the first character, and the one behind the last. */
type Span = [start: number, end: number];

/** The ways to write a secret, as they are read. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const encoded = [bytes.toString('hex'), ...[0, 1, 2].map((offset) => withinBase64(bytes, offset))];
  return [bytes.toString('latin1'), ...encoded].filter((form) => form !== '').map(alike);
}

/** The characters of base64 that tell of these bytes alone, where so many others stand before them in a group of three. */
function withinBase64(bytes: Buffer, offset: number): string {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  return whole.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}

/** Letters without their size, and the two alphabets of base64 as one. */
function alike(bytes: string): string {
  return bytes
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replaceAll('-', '+')
    .replaceAll('_', '/');
}

/** A text as what it says: a character for each byte of it, and where in the text that stands. */
interface Reading {
  bytes: string;
  spans: Span[];
  /** How many characters at the end are an escape that is cut off, perhaps. */
  tail: number;
}

const CHARACTER =
  /%(?<url>[0-9a-f]{2})|\\u\{?(?<json>[0-9a-f]{4,6})\}?|\\x(?<script>[0-9a-f]{2})|&#x0*(?<html>[0-9a-f]{1,6});|&#0*(?<number>[0-9]{1,7});|\\\/|[^]/giu;
const CUT_OFF = /(?:%|\\|&)[#\w{]{0,8}$/;
const LAST_CHARACTER = 0x10ffff;

function readingOf(text: string): Reading {
  const spans: Span[] = [];
  let bytes = '';
  for (const { 0: written, index, groups = {} } of text.matchAll(CHARACTER)) {
    const said = saidBy(written, groups);
    bytes += said;
    for (let byte = 0; byte < said.length; byte += 1) spans.push([index, index + written.length]);
  }
  return { bytes: alike(bytes), spans, tail: CUT_OFF.exec(text)?.[0].length ?? 0 };
}

function saidBy(written: string, { url, json, script, html, number }: Record<string, string | undefined>): string {
  if (url !== undefined) return String.fromCharCode(Number.parseInt(url, 16));
  const hex = json ?? script ?? html;
  const code = hex === undefined ? Number(number) : Number.parseInt(hex, 16);
  const character = code <= LAST_CHARACTER ? String.fromCodePoint(code) : written;
  return Buffer.from(character === '\\/' ? '/' : character).toString('latin1');
}

function wholeIn({ bytes, spans }: Reading, form: string): Span[] {
  const found: Span[] = [];
  for (let at = bytes.indexOf(form); at !== -1; at = bytes.indexOf(form, at + form.length)) {
    found.push([spans[at]?.[0] ?? 0, spans[at + form.length - 1]?.[1] ?? 0]);
  }
  return found;
}

function begunAtEndOf({ bytes, spans, tail }: Reading, form: string): Span[] {
  for (const read of tail === 0 ? [bytes] : [bytes, bytes.slice(0, -tail)]) {
    for (let length = Math.min(form.length - 1, read.length); length >= TELLING; length -= 1) {
      if (read.endsWith(form.slice(0, length))) return [[spans[read.length - length]?.[0] ?? 0, Infinity]];
    }
  }
  return [];
}
