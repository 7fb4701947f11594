/**
 * A queue that never holds more than a fixed number: what does not fit empties it, and its reader is told to look elsewhere.
 * For one reader.
 */
export interface Inbox<Value> {
  /** Begins anew, empty. */
  open(): void;
  push(value: Value): void;
  /** Waits for something, and takes all there is; 'OVERFLOWED' until it is opened anew; undefined when it has ended. */
  take(): Promise<Value[] | 'OVERFLOWED' | undefined>;
  /** What nobody has taken yet is let go. */
  end(): void;
}

/** @param most how many values it holds */
export function createInbox<Value>(most: number): Inbox<Value> {
  let values: Value[] = [];
  let overflowed = false;
  let ended = false;
  let wake: (() => void) | undefined;

  return {
    open() {
      values = [];
      overflowed = false;
    },
    push(value) {
      if (overflowed || ended) return;
      if (values.length < most) {
        values.push(value);
      } else {
        values = [];
        overflowed = true;
      }
      wake?.();
    },
    async take() {
      while (values.length === 0 && !overflowed && !ended) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (ended) return undefined;
      if (overflowed) return 'OVERFLOWED';
      const taken = values;
      values = [];
      return taken;
    },
    end() {
      ended = true;
      values = [];
      wake?.();
    },
  };
}
