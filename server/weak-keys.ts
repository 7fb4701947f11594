import type { Config } from './config.ts';

/**
 * Both keys can be tried out on a copy of the database, as fast as a machine makes hashes: the admin's lies there as one SHA-256, and
 * what is sealed opens under one SHA-256 of the master key. So they must be random, not merely long. Told and not refused, because what
 * has been stored under such a key needs it.
 */
const TRIED_OFFLINE = ['KELPIE_MASTER_KEY', 'KELPIE_ADMIN_KEY'] as const;

/** Warns of each configured key that could be guessed. What the key is stays out of the log. */
export function warnOfWeakKeys(
  config: Pick<Config, (typeof TRIED_OFFLINE)[number]>,
  log: { warn(fields: object, message: string): void },
): void {
  for (const name of TRIED_OFFLINE) {
    const key = config[name];
    const reason = key === undefined ? undefined : weaknessOf(key);
    if (reason === undefined) continue;
    log.warn(
      { variable: name },
      `${name} could be guessed by whoever has a copy of the database: it ${reason}. Take a random one (openssl rand -base64 32); ` +
        'docs/security.md says how to change it',
    );
  }
}

/** 24 random bytes are as many characters of base64, and more in any other writing. */
const SHORTEST = 32;
/** Of 24 random bytes in hexadecimal not one in a billion has fewer. */
const FEWEST_DIFFERENT = 9;
/** Why a key does not look like a random one, as what follows "it"; undefined when it does. */
export function weaknessOf(key: string): string | undefined {
  if (key.length < SHORTEST)
    return `has ${key.length} characters, and ${SHORTEST} are the fewest that 24 random bytes take`;
  const different = new Set(key).size;
  if (different < FEWEST_DIFFERENT) return `has only ${different} different characters`;
  return isWords(key) ? 'is made of words' : undefined;
}

/** Random characters have digits, or capitals in the middle of letters. */
function isWords(key: string): boolean {
  return !/\d/.test(key) && key.split(/[^A-Za-z]+/).every((part) => /^(?:[A-Z]?[a-z]*|[A-Z]*)$/.test(part));
}
