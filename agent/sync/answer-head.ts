/** What stands before the body of an answer of HTTP/1.1. */
export interface AnswerHead {
  status: number;
  statusMessage: string;
  /** Names in lower case; values of the same name are joined by commas. */
  headers: Readonly<Record<string, string | undefined>>;
  /** Bytes of the body; undefined where the answer does not say, or says it in a way that is not understood here. */
  size: number | undefined;
  /** Whether another request may follow on the same connection. */
  keepsAlive: boolean;
}

/** An answer that is none, or one that cannot be trusted to end where it says. */
export class MalformedAnswer extends Error {
  override name = 'MalformedAnswer';
}

/** Bytes; Node's own client takes no more either. */
const LONGEST_HEAD = 16 * 2 ** 10;

/**
 * Reads the head that `bytes` begin with, and where the body begins in them; undefined while there is more to come. Throws
 * MalformedAnswer. Answers in between (1xx) are skipped.
 */
export function readHead(bytes: Buffer): { head: AnswerHead; bodyAt: number } | undefined {
  for (let from = 0; ;) {
    const end = bytes.indexOf('\r\n\r\n', from, 'latin1');
    if (end < 0 ? bytes.length - from > LONGEST_HEAD : end - from > LONGEST_HEAD) {
      throw new MalformedAnswer(`the head of the answer is longer than ${LONGEST_HEAD} bytes`);
    }
    if (end < 0) return undefined;
    const head = parse(bytes.toString('latin1', from, end));
    from = end + 4;
    if (head.status >= 200) return { head, bodyAt: from };
  }
}

function parse(text: string): AnswerHead {
  const [first = '', ...lines] = text.split('\r\n');
  const [, minor, status, statusMessage = ''] = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/.exec(first) ?? [];
  if (minor === undefined || status === undefined) {
    throw new MalformedAnswer(`expected an answer of HTTP/1.1, got ${JSON.stringify(first.slice(0, 80))}`);
  }
  const headers = headersIn(lines);
  const keepsAlive = minor === '1' && !/\bclose\b/i.test(headers.connection ?? '');
  return { status: Number(status), statusMessage, headers, size: sizeIn(Number(status), headers), keepsAlive };
}

function headersIn(lines: readonly string[]): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = Object.create(null) as Record<string, never>;
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    // Neither a space before the colon nor a line that goes on with the one before: both have been used to hide an end.
    if (colon < 1 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) {
      throw new MalformedAnswer(`the answer has a header that is none: ${JSON.stringify(line.slice(0, 80))}`);
    }
    const value = line.slice(colon + 1).trim();
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return headers;
}

function sizeIn(status: number, headers: Readonly<Record<string, string | undefined>>): number | undefined {
  if (status === 204 || status === 304) return 0;
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  if (encoding !== undefined || length === undefined) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw new MalformedAnswer(`the answer has the Content-Length ${length.slice(0, 40)}`);
  return Number(length);
}
