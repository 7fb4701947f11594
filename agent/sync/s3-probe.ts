import { ListBucketsCommand, type S3Client } from '@aws-sdk/client-s3';
import { statusOf } from './cause.ts';

/** What a store makes of our credentials. REFUSED: it does not know the key, or the signature is not of its secret. */
export type Reception = { kind: 'KNOWN' } | { kind: 'REFUSED'; code: string; advice: string };

/** Asks the store for the least that is signed and needs no bucket. Rejects when it does not answer as a store. */
export type Probe = (signal: AbortSignal) => Promise<Reception>;

/** One request, and one bucket in the answer at most. A key that may not list buckets is known all the same. */
export function probe(client: S3Client): Probe {
  return async (signal) => {
    try {
      await client.send(new ListBucketsCommand({ MaxBuckets: 1 }), { abortSignal: signal });
      return { kind: 'KNOWN' };
    } catch (error) {
      signal.throwIfAborted();
      const code = error instanceof Error ? error.name : '';
      const advice = ADVICE.get(code);
      if (advice !== undefined) return { kind: 'REFUSED', code, advice };
      // Whoever says that it is not allowed, or not done here, has looked at the signature first.
      if (ALLOWED.has(code) || NOT_DONE_HERE.has(statusOf(error) ?? 0)) return { kind: 'KNOWN' };
      throw error;
    }
  };
}

const KEY = 'check AWS_ACCESS_KEY_ID, or the profile, and that AWS_ENDPOINT_URL is the store that the key is of';
const SECRET = 'check AWS_SECRET_ACCESS_KEY: it is of another key, or not whole';
const SESSION = 'check AWS_SESSION_TOKEN: it is over, or of another key; unset it where the key has none';
const REGION = 'set AWS_REGION to that of the store';

/** By the codes of S3, which other stores have taken over. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ['InvalidAccessKeyId', KEY],
  ['NotSignedUp', KEY],
  ['SignatureDoesNotMatch', SECRET],
  ['InvalidToken', SESSION],
  ['ExpiredToken', SESSION],
  ['TokenRefreshRequired', SESSION],
  ['AuthorizationHeaderMalformed', REGION],
  ['RequestTimeTooSkewed', "set this machine's clock"],
]);
const ALLOWED = new Set(['AccessDenied', 'AllAccessDisabled', 'AccountProblem']);
const NOT_DONE_HERE = new Set([405, 501]);
