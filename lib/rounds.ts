import { outside } from './outside.ts';
import { createTurns } from './turns.ts';

/** So many are answered in one round. */
export const MOST = 500;
/** A round that takes longer holds up nobody else (milliseconds). */
const PATIENCE_MS = 50;

export interface RoundOptions<Question> {
  /** How many questions are in a round at most, asked for each (500). */
  most?: () => number;
  /** When the next round begins although this one is not over, in milliseconds (50). */
  patienceMs?: number;
  /** Whose a question is; all are of one group. Groups take turns within a round, and in a group it is first come, first served. */
  groupOf?: (question: Question) => string;
  /** What a question weighs; nothing. */
  weightOf?: (question: Question) => number;
  /** How much the questions of a round weigh at most, where it is more than one. */
  mostWeight?: number;
  /** So many rounds are under way at a time, where what waits is too heavy for one (1). */
  atOnce?: number;
}

interface Asked<Question, Answer> {
  question: Question;
  resolve: (answer: Answer) => void;
  reject: (reason: unknown) => void;
}

/**
 * Answers in rounds what many ask at once: whoever asks while a round is under way is in the next one. Who comes alone waits for nothing,
 * and nobody is given an answer that was begun before they asked.
 * @param answer one answer for each question, in their order; what it throws is told to all of the round, so nobody may change it
 */
export function inRounds<Question, Answer>(
  answer: (questions: Question[]) => Promise<Answer[]>,
  options: RoundOptions<Question> = {},
): (question: Question) => Promise<Answer> {
  const { patienceMs = PATIENCE_MS, groupOf = () => '', atOnce = 1 } = options;
  const waiting = createWaiting<Question, Answer>(options);
  /** For these those that wait still do. */
  const waitedFor = new Set<object>();
  let underWay = 0;

  const begin = (): void => {
    const { round, isCutByWeight } = waiting.nextRound();
    if (round.length === 0) return;
    const own = {};
    waitedFor.add(own);
    underWay += 1;
    const timer = setTimeout(() => {
      waitedFor.delete(own);
      if (waitedFor.size === 0) begin();
    }, patienceMs);
    void answerAll(round, answer).then(() => {
      clearTimeout(timer);
      waitedFor.delete(own);
      underWay -= 1;
      if (waitedFor.size === 0 || underWay < atOnce) begin();
    });
    if (isCutByWeight && underWay < atOnce) begin();
  };

  return (question) =>
    new Promise((resolve, reject) => {
      waiting.add(groupOf(question), { question, resolve, reject });
      // A round is nobody's.
      if (waitedFor.size === 0) outside(begin);
    });
}

/** Who is in no round yet. */
function createWaiting<Question, Answer>({
  most = () => MOST,
  weightOf = () => 0,
  mostWeight = Infinity,
}: RoundOptions<Question>) {
  const turns = createTurns<Asked<Question, Answer>>();
  /** Had its turn, and was too heavy for that round. */
  let first: Asked<Question, Answer> | undefined;
  return {
    add(group: string, one: Asked<Question, Answer>): void {
      turns.add({ group, name: '' }, one);
    },
    /** Empty when nobody waits. */
    nextRound(): { round: Asked<Question, Answer>[]; isCutByWeight: boolean } {
      const round: Asked<Question, Answer>[] = [];
      const mostNow = most();
      let weight = 0;
      while (round.length < mostNow) {
        const one = first ?? turns.next()[0];
        first = undefined;
        if (one === undefined) break;
        weight += weightOf(one.question);
        if (round.length > 0 && weight > mostWeight) {
          first = one;
          return { round, isCutByWeight: true };
        }
        round.push(one);
      }
      return { round, isCutByWeight: false };
    },
  };
}

/** Never rejects. */
async function answerAll<Question, Answer>(
  round: Asked<Question, Answer>[],
  answer: (questions: Question[]) => Promise<Answer[]>,
): Promise<void> {
  try {
    const answers = await answer(round.map(({ question }) => question));
    if (answers.length !== round.length) {
      throw new Error(`Expected ${round.length} answers of a round, got ${answers.length}`);
    }
    // As many as there are questions, as was just seen.
    round.forEach(({ resolve }, index) => resolve(answers[index] as Answer));
  } catch (error) {
    for (const { reject } of round) reject(error);
  }
}
