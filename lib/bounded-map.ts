/** A map that forgets what was used longest ago once it holds more, or what weighs more, than its bound. */
export interface BoundedMap<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  readonly size: number;
}

/**
 * `forgotten` is told what had to go.
 * @param weigh what an entry counts for (1), the same whenever it is asked; one above `max` is not kept, and drives out all others
 */
export function boundedMap<Value>(
  max: number,
  forgotten: (key: string, value: Value) => void = () => undefined,
  weigh: (key: string, value: Value) => number = () => 1,
): BoundedMap<Value> {
  // A Map keeps the order of insertion: what is used is inserted anew, so the first entry is the one to forget.
  const entries = new Map<string, Value>();
  let weight = 0;
  const remove = (key: string): void => {
    const value = entries.get(key);
    if (value !== undefined) weight -= weigh(key, value);
    entries.delete(key);
  };
  const insert = (key: string, value: Value): void => {
    remove(key);
    entries.set(key, value);
    weight += weigh(key, value);
  };
  return {
    get(key) {
      const value = entries.get(key);
      if (value !== undefined) insert(key, value);
      return value;
    },
    set(key, value) {
      insert(key, value);
      for (const [oldest, its] of entries) {
        if (weight <= max) break;
        remove(oldest);
        forgotten(oldest, its);
      }
    },
    get size() {
      return entries.size;
    },
  };
}
