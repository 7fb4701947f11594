/** A map that forgets what was used longest ago once it holds more than its bound. */
export interface BoundedMap<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  readonly size: number;
}

/** `forgotten` is told what had to go. */
export function boundedMap<Value>(
  max: number,
  forgotten: (key: string, value: Value) => void = () => undefined,
): BoundedMap<Value> {
  // A Map keeps the order of insertion: what is used is inserted anew, so the first entry is the one to forget.
  const entries = new Map<string, Value>();
  const insert = (key: string, value: Value): void => {
    entries.delete(key);
    entries.set(key, value);
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
        if (entries.size <= max) break;
        entries.delete(oldest);
        forgotten(oldest, its);
      }
    },
    get size() {
      return entries.size;
    },
  };
}
