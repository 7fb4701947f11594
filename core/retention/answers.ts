import { statement } from '../../db/statement.ts';
import type { InBatches } from './turns.ts';

/** A place among the tries of webhooks, in the order of their primary key. */
type Place = { delivery_id: string; number: number };

const forgetStatement = statement<Place & { batch: number }, Place & { looked: number; forgotten: number }>(
  'forget-answers',
);

const BEGINNING: Place = { delivery_id: '00000000-0000-0000-0000-000000000000', number: 0 };
/** Servers of the release before may store more of it, while they are replaced or when they are taken back to. */
const ANEW_MS = 24 * 60 * 60 * 1_000;

/**
 * Goes over the tries of webhooks once a day, and forgets what was stored of answers before they were blanked. It needs no index, which
 * would have to be made while nothing else writes to the table, for what is gone after a day.
 * @returns tells each time, after the commit, how many were forgotten; throws NotOurTurn, and goes on from there at the next call
 */
export function createAnswersWalk(inBatches: InBatches): (onForgotten: (answers: number) => void) => Promise<void> {
  let place: Place | undefined = BEGINNING;
  let began = performance.now();
  return async (onForgotten) => {
    if (performance.now() - began > ANEW_MS) {
      place = BEGINNING;
      began = performance.now();
    }
    if (place === undefined) return;
    let from: Place = place;
    let [to, forgotten] = [from, 0];
    await inBatches(
      async (em, batch) => {
        const [row] = await forgetStatement(em, { delivery_id: from.delivery_id, number: from.number, batch });
        to = row === undefined ? from : { delivery_id: row.delivery_id, number: row.number };
        forgotten = row?.forgotten ?? 0;
        return row?.looked ?? 0;
      },
      () => {
        place = from = to;
        onForgotten(forgotten);
      },
    );
    place = undefined;
  };
}
