import type { EntityManager } from '../../db/orm.ts';
import { plainReader, type Owner } from '../../db/plain.ts';
import { isRefusedForItsData } from '../../db/refused.ts';
import { statement } from '../../db/statement.ts';
import { inRounds } from '../../lib/rounds.ts';
import { createLeaseTurns } from './lease-turns.ts';
import type { Fence } from './terms.ts';

/** How one statement writes what many say under leases of theirs, each lease named once. */
interface Written<Row> {
  /** Passes over what others hold just then. What it does not return has no verdict. */
  passing: Write<Row>;
  /** Waits for it, and so is asked for one alone. What it does not return is fenced off. */
  waiting: Write<Row>;
}

/** `said` is an array, as JSON; rows say by `place`, counted from 1 in that array, whose they are. */
type Write<Row> = (em: EntityManager, parameters: { said: string }) => Promise<(Row & { place: number })[]>;

/** By a statement of `db/sql/` that takes `:said` and says `skip locked` of what it locks. */
export function writtenBy<Row>(file: string): Written<Row> {
  return { passing: statement(file, { keepsPlan: true }), waiting: statement(file, { keepsPlan: true, waits: true }) };
}

/** Where more than one is written, they have so many characters of JSON at most. */
const MOST_CHARACTERS = 512 * 1024;

/**
 * Writes what many say at once under leases of theirs in rounds, each of which is one statement and one commit (`inRounds`): whoever comes
 * alone waits for nobody. What is said under one lease is written in the order in which it came, and each is answered when its own is
 * committed. One for which PostgreSQL refuses the statement fails alone.
 * @returns the row of what was said; undefined where the lease is lost
 */
export function writtenTogether<Row>(
  owner: Owner,
  { passing, waiting }: Written<Row>,
): (said: Fence) => Promise<Row | undefined> {
  const inTurn = createLeaseTurns();
  const inRound = inRounds((round: string[]) => verdictsOf(round, (said) => passing(plainReader(owner), { said })), {
    weightOf: (said) => said.length,
    mostWeight: MOST_CHARACTERS,
  });
  return (one) =>
    inTurn(one, async () => {
      const said = JSON.stringify(one);
      const verdict = await inRound(said);
      switch (verdict.is) {
        case 'WRITTEN':
          return verdict.row;
        case 'PASSED_OVER':
          return (await waiting(plainReader(owner), { said: listOf([said]) }))[0];
        case 'FAILED':
          throw verdict.error;
      }
    });
}

type Verdict<Row> = { is: 'WRITTEN'; row: Row } | { is: 'PASSED_OVER' } | { is: 'FAILED'; error: unknown };

/** Never rejects. Who is refused is found by halves; what is the fault of none of them is told to all. */
async function verdictsOf<Row>(
  round: readonly string[],
  write: (said: string) => Promise<(Row & { place: number })[]>,
): Promise<Verdict<Row>[]> {
  try {
    const rows = new Map((await write(listOf(round))).map((row) => [row.place, row]));
    return round.map((_, index) => {
      const row = rows.get(index + 1);
      return row === undefined ? { is: 'PASSED_OVER' } : { is: 'WRITTEN', row };
    });
  } catch (error) {
    if (round.length === 1 || !isRefusedForItsData(error)) return round.map(() => ({ is: 'FAILED', error }));
    const middle = Math.ceil(round.length / 2);
    return [...(await verdictsOf(round.slice(0, middle), write)), ...(await verdictsOf(round.slice(middle), write))];
  }
}

function listOf(said: readonly string[]): string {
  return `[${said.join(',')}]`;
}
