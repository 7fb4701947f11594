import { ApiKey } from '../../db/entities/api-key.ts';
import { SealedProof } from '../../db/entities/sealed-proof.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Core } from '../core.ts';

const PROOF = 'kelpie';

/**
 * That this program has the master key of its database: noticed now, and not when a webhook is to be sent. The first program on a
 * database leaves the proof.
 * @throws Error that says what to set
 */
export async function demandMasterKey(core: Pick<Core, 'em' | 'secrets'>): Promise<void> {
  const em = core.em.fork();
  const proof = (await em.findOne(SealedProof, { id: 1 })) ?? (await leaveProof(core));
  opened(core, proof.sealed);
}

/** A database that is older than the proof: what is sealed in it says as much. */
async function leaveProof(core: Pick<Core, 'em' | 'secrets'>): Promise<SealedProof> {
  const em = core.em.fork();
  const [older] = await em.find(ApiKey, {}, { orderBy: { createdAt: 'asc' }, limit: 1 });
  if (older) opened(core, older.encrypted);
  const sealed = core.secrets.seal(PROOF);
  // Several servers may start at once: the first one's stays.
  await em.execute('insert into sealed_proof (id, sealed) values (1, ?) on conflict do nothing', [sealed]);
  return em.findOneOrFail(SealedProof, { id: 1 });
}

function opened({ secrets }: Pick<Core, 'secrets'>, sealed: string): void {
  try {
    secrets.open(sealed);
  } catch (error) {
    throw new Error(
      `KELPIE_MASTER_KEY is not the one that this database's secrets were sealed under (${messageOf(error)}). Set the right ` +
        'one; while a new one takes over, set the former in KELPIE_MASTER_KEYS_OLD.',
      { cause: error },
    );
  }
}

/** What is sealed, table by table. The proof comes last: as long as it is the old one, no server starts without the old key. */
const SEALED = [
  { table: 'api_keys', id: 'id', column: 'encrypted' },
  { table: 'webhook_secrets', id: 'account_id', column: 'sealed' },
  { table: 'webhook_secrets', id: 'account_id', column: 'previous' },
  { table: 'sealed_proof', id: 'id', column: 'sealed' },
] as const;

const BATCH = 500;

/**
 * Seals everything anew under the present master key. Servers may go on meanwhile, as long as they have both keys. What is sealed anew
 * already is left alone, so it can be run again at any time; what somebody changes meanwhile is theirs.
 * @throws Error when something can't be opened: then the proof stays as it was
 */
export async function rotateMasterKey(core: Core): Promise<{ resealed: number; fresh: number }> {
  const total = { resealed: 0, fresh: 0 };
  for (const place of SEALED) {
    let after: string | undefined;
    do {
      const page = await readPage(core, place, after);
      for (const row of page) {
        if (core.secrets.isFresh(row.sealed)) total.fresh += 1;
        else total.resealed += await reseal(core, place, row);
      }
      after = page.length === BATCH ? page.at(-1)?.id : undefined;
    } while (after !== undefined);
  }
  return total;
}

interface Sealed {
  id: string;
  sealed: string;
}

/** By id, so that what cannot be sealed anew is not met again and again. Names are ours, so they may stand in the text. */
async function readPage(core: Core, { table, id, column }: (typeof SEALED)[number], after = ''): Promise<Sealed[]> {
  return core.em
    .fork()
    .execute<Sealed[]>(
      `select ${id}::text as id, ${column} as sealed from ${table} where ${column} is not null and ${id}::text > ? order by ${id}::text limit ${BATCH}`,
      [after],
    );
}

/** Only what is as it was read. @returns 1, or 0 when somebody was faster */
async function reseal(core: Core, { table, id, column }: (typeof SEALED)[number], row: Sealed): Promise<number> {
  const fresh = core.secrets.seal(unsealed(core, row, table));
  const changed = await core.em
    .fork()
    .execute<Sealed[]>(
      `update ${table} set ${column} = ? where ${id}::text = ? and ${column} = ? returning ${id}::text as id`,
      [fresh, row.id, row.sealed],
    );
  return changed.length;
}

function unsealed(core: Core, { id, sealed }: Sealed, table: string): string {
  try {
    return core.secrets.open(sealed);
  } catch (error) {
    throw new Error(`${table} ${id}: ${messageOf(error)}`, { cause: error });
  }
}
