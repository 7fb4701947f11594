import { outside } from './outside.ts';

/** So many are answered in one round. */
const MOST = 500;
/** A round that takes longer holds up nobody else (milliseconds). */
const PATIENCE_MS = 50;

export interface RoundOptions<Question> {
  /** How many questions are in a round at most (500). */
  most?: number;
  /** When the next round begins although this one is not over, in milliseconds (50). */
  patienceMs?: number;
  /** What a question weighs; nothing. */
  weightOf?: (question: Question) => number;
  /** How much the questions of a round weigh at most, where it is more than one. */
  mostWeight?: number;
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
  { most = MOST, patienceMs = PATIENCE_MS, weightOf = () => 0, mostWeight = Infinity }: RoundOptions<Question> = {},
): (question: Question) => Promise<Answer> {
  const waiting: Asked<Question, Answer>[] = [];
  let underWay: object | undefined;

  const nextCount = (): number => {
    let weight = 0;
    const tooMany = waiting.findIndex(({ question }, index) => {
      weight += weightOf(question);
      return index === most || (index > 0 && weight > mostWeight);
    });
    return tooMany === -1 ? waiting.length : tooMany;
  };
  const begin = (): void => {
    const own = {};
    underWay = own;
    const over = (): void => {
      clearTimeout(timer);
      if (underWay !== own) return;
      underWay = undefined;
      if (waiting.length > 0) begin();
    };
    const timer = setTimeout(over, patienceMs);
    void answerAll(waiting.splice(0, nextCount()), answer).then(over);
  };

  return (question) =>
    new Promise((resolve, reject) => {
      waiting.push({ question, resolve, reject });
      // A round is nobody's.
      if (underWay === undefined) outside(begin);
    });
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
