import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** Encrypts what must be read again: keys that webhooks send back, and what they are signed with. */
export interface SecretBox {
  seal(secret: string): string;
  /** @throws Error when the text was sealed under a master key that is not at hand, or was changed */
  open(sealed: string): string;
  /** Whether the text was sealed as `seal` does it now. */
  isFresh(sealed: string): boolean;
}

const VERSION = 'v2';
/** Without the id of its key: it was the only one. */
const FIRST_VERSION = 'v1';

/**
 * AES-256-GCM under a key derived from `masterKey`; each secret has a nonce of its own. What is sealed carries the id of its master
 * key, so that several can be in use while one takes over from another.
 * @param others master keys under which something may be sealed still: they open, and seal nothing
 */
export function createSecretBox(masterKey: string, others: readonly string[] = []): SecretBox {
  const own = derived(masterKey);
  const keys = [own, ...others.map(derived)];
  return {
    seal(secret) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', own.key, nonce);
      cipher.setAAD(Buffer.from(`${VERSION}.${own.id}`));
      const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      const parts = [nonce, cipher.getAuthTag(), body].map((part) => part.toString('base64'));
      return [VERSION, own.id, ...parts].join('.');
    },
    open(sealed) {
      const [version, ...parts] = sealed.split('.');
      if (version === VERSION && parts.length === 4) return openWithId(keys, parts);
      if (version === FIRST_VERSION && parts.length === 3) return openWithAny(keys, parts);
      throw new Error(`A sealed secret should start with "${VERSION}." and have five parts, this one does not`);
    },
    isFresh: (sealed) => sealed.startsWith(`${VERSION}.${own.id}.`),
  };
}

interface DerivedKey {
  /** Names the key, and tells nothing of it that what is sealed under it does not tell as well. */
  id: string;
  key: Buffer;
}

function derived(masterKey: string): DerivedKey {
  const key = createHash('sha256').update(`kelpie secret box\0${masterKey}`).digest();
  return { id: createHash('sha256').update('kelpie secret box id\0').update(key).digest('hex').slice(0, 12), key };
}

function openWithId(keys: readonly DerivedKey[], [id = '', ...parts]: string[]): string {
  const found = keys.find((key) => key.id === id);
  if (found !== undefined) return decipher(found.key, parts, `${VERSION}.${id}`);
  throw new Error(
    `A secret was sealed under the master key ${id}, and this program has ${keys.map((key) => key.id).join(' and ')}: ` +
      'put that master key into KELPIE_MASTER_KEYS_OLD',
  );
}

function openWithAny(keys: readonly DerivedKey[], parts: string[]): string {
  for (const { key } of keys) {
    try {
      return decipher(key, parts);
    } catch {
      // Another one's, or nobody's.
    }
  }
  throw new Error('A secret was sealed under a master key that this program does not have, or was changed since');
}

function decipher(key: Buffer, [nonce = '', tag = '', body = '']: string[], bound?: string): string {
  const opening = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64'), { authTagLength: 16 });
  if (bound !== undefined) opening.setAAD(Buffer.from(bound));
  opening.setAuthTag(Buffer.from(tag, 'base64'));
  return Buffer.concat([opening.update(Buffer.from(body, 'base64')), opening.final()]).toString('utf8');
}
