import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface Signable {
  method: string;
  /** With the port, where it is not the scheme's own. */
  host: string;
  /** As it goes over the wire, already encoded. */
  path: string;
  query: Readonly<Record<string, string>>;
  /** Names in lower case. Those that say what is stored, and how, are signed. */
  headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hexadecimal digits, or UNSIGNED_PAYLOAD. */
  payloadHash: string;
}

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

export interface Signer {
  /** All headers of the request, with the signature, as of `now`. */
  sign(request: Signable, credentials: Credentials, now: Date): Record<string, string>;
}

/**
 * AWS Signature Version 4, as S3 wants it, of a header. The SDK's own signer does the same in several times the time, which for small
 * files is most of the work.
 */
export function createSigner(region: string, service: string): Signer {
  let known: { day: string; secret: string; key: KeyObject } | undefined;

  function keyFor(day: string, secret: string): KeyObject {
    if (known?.day !== day || known.secret !== secret) {
      const steps = [day, region, service, 'aws4_request'];
      const key = steps.reduce(hmac, createSecretKey(`AWS4${secret}`, 'utf8'));
      known = { day, secret, key };
    }
    return known.key;
  }

  return {
    sign({ method, host, path, query, headers, payloadHash }, { accessKeyId, secretAccessKey, sessionToken }, now) {
      const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
      const day = time.slice(0, 8);
      const all: Record<string, string> = {
        ...headers,
        host,
        'x-amz-content-sha256': payloadHash,
        'x-amz-date': time,
        ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
      };
      const names = Object.keys(all).filter(isSigned).sort();
      const signed = names.join(';');
      const lines = names.map((name) => `${name}:${(all[name] ?? '').trim().replace(/ +/g, ' ')}\n`);
      const canonical = [method, path, queryText(query), lines.join(''), signed, payloadHash].join('\n');
      const scope = `${day}/${region}/${service}/aws4_request`;
      const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash('sha256', canonical, 'hex')}`;
      const signature = createHmac('sha256', keyFor(day, secretAccessKey)).update(text).digest('hex');
      all.authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
      return all;
    },
  };
}

/** Sorted by name, as it is signed and as it goes over the wire. */
export function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}

/** The path of a key: all is encoded but what RFC 3986 leaves alone, and the slashes. */
export function pathOf(key: string): string {
  return key.split('/').map(encode).join('/');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Proxies may change the others on the way. */
function isSigned(name: string): boolean {
  return name === 'host' || name === 'content-type' || name.startsWith('x-amz-');
}

function hmac(key: KeyObject, text: string): KeyObject {
  return createSecretKey(createHmac('sha256', key).update(text).digest());
}
