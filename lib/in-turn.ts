/**
 * Of what has the same name one is under way at a time, in the order in which it was asked for; what has different names does not wait
 * for each other, and what comes alone for nothing. One that fails holds up nobody behind it. Nothing is remembered of a name of which
 * nothing is under way.
 */
export function inTurn<Question, Answer>(
  nameOf: (question: Question) => string,
  answer: (question: Question) => Promise<Answer>,
): (question: Question) => Promise<Answer> {
  const last = new Map<string, Promise<unknown>>();
  return (question) => {
    const name = nameOf(question);
    const next = (): Promise<Answer> => answer(question);
    const answered = last.get(name)?.then(next) ?? next();
    const over = answered.then(forget, forget);
    last.set(name, over);
    return answered;

    function forget(): void {
      if (last.get(name) === over) last.delete(name);
    }
  };
}
