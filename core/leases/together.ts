import type { EntityManager } from '../../db/orm.ts';
import { plainReader, type Owner } from '../../db/plain.ts';
import { hasTakenTooLong, isRefusedForItsData } from '../../db/refused.ts';
import { statement } from '../../db/statement.ts';
import { inRounds, MOST } from '../../lib/rounds.ts';
import type { Alone } from './alone.ts';
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

/** Where more than one is written, they have so many characters of JSON at most, … */
const MOST_CHARACTERS = 512 * 1024;
/** … and where that is not all that waits, so many statements are under way at a time. */
const STATEMENTS_AT_ONCE = 4;

interface Said {
  accountId: string;
  /** As JSON. */
  text: string;
}

/**
 * Writes what many say at once under leases of theirs in rounds, each of which is one statement and one commit (`inRounds`): whoever comes
 * alone waits for nobody, and accounts take turns. What is said under one lease is written in the order in which it came, and each is
 * answered when its own is committed. One for which PostgreSQL refuses the statement fails alone.
 * @param alone for what is passed over
 * @returns the row of what was said; undefined where the lease is lost. Throws RateLimitedError as `LeaseTurns` and `Alone` do
 */
export function writtenTogether<Row>(
  owner: Owner,
  alone: Alone,
  { passing, waiting }: Written<Row>,
): (said: Fence) => Promise<Row | undefined> {
  const size = createSize();
  const inTurn = createLeaseTurns();
  const write = (said: string) => passing(plainReader(owner), { said });
  const inRound = inRounds((round: Said[]) => verdictsOf(textsOf(round), write, size), {
    most: size.most,
    groupOf: ({ accountId }) => accountId,
    weightOf: ({ text }) => text.length,
    mostWeight: MOST_CHARACTERS,
    atOnce: STATEMENTS_AT_ONCE,
  });
  return (one) =>
    inTurn(one, async () => {
      const said = { accountId: one.account_id, text: JSON.stringify(one) };
      let verdict = await inRound(said);
      // Whoever has held its row was most likely a round of another kind, and that is soon over.
      if (verdict.is === 'PASSED_OVER') verdict = await inRound(said);
      switch (verdict.is) {
        case 'WRITTEN':
          return verdict.row;
        case 'PASSED_OVER':
          return alone(one, async () => (await waiting(plainReader(owner), { said: listOf([said.text]) }))[0]);
        case 'FAILED':
          throw verdict.error;
      }
    });
}

function textsOf(round: readonly Said[]): string[] {
  return round.map(({ text }) => text);
}

/** How many are written together. */
interface Size {
  most: () => number;
  /** So many took too long together. Who was among them comes again, most likely all at once. */
  tooMany: (count: number) => void;
  wereWritten: (count: number) => void;
}

/** Half of what was too many, until as many as there may be are written again. */
function createSize(): Size {
  let most = MOST;
  return {
    most: () => most,
    tooMany: (count) => {
      if (count > 1) most = Math.floor(count / 2);
    },
    wereWritten: (count) => {
      if (count >= most) most = Math.min(MOST, most * 2);
    },
  };
}

type Verdict<Row> = { is: 'WRITTEN'; row: Row } | { is: 'PASSED_OVER' } | { is: 'FAILED'; error: unknown };

/** Never rejects. Who is refused is found by halves; what is the fault of none of them is told to all. */
async function verdictsOf<Row>(
  round: readonly string[],
  write: (said: string) => Promise<(Row & { place: number })[]>,
  size: Size,
): Promise<Verdict<Row>[]> {
  try {
    const rows = new Map((await write(listOf(round))).map((row) => [row.place, row]));
    size.wereWritten(round.length);
    return round.map((_, index) => {
      const row = rows.get(index + 1);
      return row === undefined ? { is: 'PASSED_OVER' } : { is: 'WRITTEN', row };
    });
  } catch (error) {
    if (hasTakenTooLong(error)) size.tooMany(round.length);
    if (round.length === 1 || !isRefusedForItsData(error)) return round.map(() => ({ is: 'FAILED', error }));
    const middle = Math.ceil(round.length / 2);
    return [
      ...(await verdictsOf(round.slice(0, middle), write, size)),
      ...(await verdictsOf(round.slice(middle), write, size)),
    ];
  }
}

function listOf(said: readonly string[]): string {
  return `[${said.join(',')}]`;
}
