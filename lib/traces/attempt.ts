/** Does something that nobody may be hindered by: where it throws, `otherwise` is the answer. */
export type Attempt = <Result>(work: () => Result, otherwise: () => Result) => Result;

const TELL_AT_MOST_EVERY_MS = 60_000;

/** @param onTrouble told of what was thrown, once a minute at most */
export function createAttempt(onTrouble: (error: unknown) => void): Attempt {
  let toldAt = -Infinity;
  return (work, otherwise) => {
    try {
      return work();
    } catch (error) {
      if (performance.now() - toldAt >= TELL_AT_MOST_EVERY_MS) {
        toldAt = performance.now();
        onTrouble(error);
      }
      return otherwise();
    }
  };
}
