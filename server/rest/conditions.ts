import { createHash } from 'node:crypto';

/** A strong entity tag: the same for the same body, another one for any other. */
export function etagOf(body: unknown): string {
  return `"${createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 22)}"`;
}

/** Whether an `If-None-Match` names this tag: RFC 9110, which for this header lets a weak tag match too. */
export function names(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return (ifNoneMatch.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => tag.replace(/^W\//, '') === etag);
}

/** How long a request may be made to wait, in seconds. */
export const LONGEST_WAIT = 60;

/**
 * Seconds to wait, of a `Prefer` header (RFC 7240): at most 60, also where more is preferred. What is not understood is ignored,
 * as a preference is.
 */
export function preferredWait(prefer: string | undefined): number | undefined {
  const wait = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[;,]|$)/i.exec(prefer ?? '')?.[1];
  return wait === undefined ? undefined : Math.min(Number(wait), LONGEST_WAIT);
}
