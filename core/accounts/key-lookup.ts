import type { ApiKeyRole } from '../../db/entities/api-key.ts';
import { plainReader, type Owner } from '../../db/plain.ts';
import { statement } from '../../db/statement.ts';
import { inRounds } from '../../lib/rounds.ts';

/** A key that may be used. */
export interface GoodKey {
  id: string;
  account_id: string;
  role: ApiKeyRole;
}

const goodStatement = statement<{ hashes: readonly string[] }, GoodKey & { hash: string }>('keys-by-hash');

/** Finds keys by their hashes; undefined for one that is unknown, revoked or expired. */
export type KeyLookup = (hash: string) => Promise<GoodKey | undefined>;

/** Thousands may come at once with the same key, after a server has gone: one statement for them. Nothing is remembered. */
export function createKeyLookup(owner: Owner): KeyLookup {
  return inRounds(async (hashes: string[]) => {
    const found = await goodStatement(plainReader(owner), { hashes: [...new Set(hashes)] });
    const byHash = new Map(found.map((key) => [key.hash, key]));
    return hashes.map((hash) => byHash.get(hash));
  });
}
