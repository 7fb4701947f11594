/**
 * So many lists, objects and commas a JSON text from outside may have: a thousand jobs with all their 96 sync entries have 700,000, with a
 * thousand arguments each more than a million, and what has ten million is read for ten seconds and takes a gigabyte, though its text has some MiB.
 */
export const MOST_JSON_PARTS = 3_000_000;

/** A text that is small by its bytes and large by what it stands for. */
export class CrowdedJsonError extends Error {
  override name = 'CrowdedJsonError';
  constructor(most: number) {
    super(`Expected JSON with at most ${most} lists, objects and commas, got more: send less at once`);
  }
}

/**
 * `JSON.parse` of a text from outside. Whose text has too many parts is refused before anything is made of it.
 * @throws CrowdedJsonError
 * @throws SyntaxError for what is not JSON
 */
export function boundedJson(text: string, most = MOST_JSON_PARTS): unknown {
  // No smaller text has so many.
  if (text.length > most && hasMoreParts(text, most)) throw new CrowdedJsonError(most);
  return JSON.parse(text);
}

const [QUOTE, COMMA, LIST, BACKSLASH, OBJECT] = [0x22, 0x2c, 0x5b, 0x5c, 0x7b] as const;

function hasMoreParts(text: string, most: number): boolean {
  let parts = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at + 1);
    else if (code === COMMA || code === LIST || code === OBJECT) parts += 1;
    if (parts > most) return true;
  }
  return false;
}

/** @param from behind the quote that begins it. @returns where the quote is that ends it */
function endOfString(text: string, from: number): number {
  const quote = text.indexOf('"', from);
  if (quote === -1) return text.length;
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote;
  // That quote may be escaped, and so may its backslash: this string is read character by character.
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) return at;
  }
  return text.length;
}
