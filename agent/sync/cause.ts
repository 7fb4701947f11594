import { messageOf } from '../../lib/errors.ts';

/** Why a request to the store failed, in few words that may be shown to people: without secrets. `store` names the store. */
export function causeOf(error: unknown, store: string): string {
  const status = statusOf(error);
  if (status === undefined) return `${scrubbed(messageOf(error)).slice(0, LONGEST)} (${store})`;
  const name = error instanceof Error && /^[A-Za-z][\w.]{0,60}$/.test(error.name) ? ` ${error.name}` : '';
  return `${status}${name} from ${store}`;
}

const LONGEST = 300;

/** The answer's HTTP status, where there was an answer. What else it says may repeat what was asked, signature and all. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  const { $metadata } = error;
  if (typeof $metadata !== 'object' || $metadata === null || !('httpStatusCode' in $metadata)) return undefined;
  return typeof $metadata.httpStatusCode === 'number' && $metadata.httpStatusCode >= 300
    ? $metadata.httpStatusCode
    : undefined;
}

/** Takes out what may open a door: names and passwords in URLs, queries, signatures, and what looks like a key. */
export function scrubbed(text: string): string {
  return text
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1')
    .replaceAll(/\?[^\s"'<>]*/g, '')
    .replaceAll(
      /\b(?:Authorization|Credential|Signature|x-amz-[\w-]+|\w*(?:secret|token|password|key)\w*)\s*[=:]\s*\S+/gi,
      '…',
    )
    .replaceAll(/\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g, '…')
    .replaceAll(/\s+/g, ' ');
}
